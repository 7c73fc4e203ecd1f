# What the compiler does not forbid. Sourced by scripts/test.
# shellcheck shell=bash

# A Swift trap is a crash that a meter or a neighbour on its line could cause. Strings and comments are taken away
# first; a construct that is needed has the word SAFETY and the reason in the line above, or on its own.
audit_constructs() {
    local found
    found=$(
        find Sources/ -name '*.swift' -print0 | sort -z | xargs -0 awk '
            FNR == 1 { excused = 0 }
            /SAFETY/ { excused = FNR; next }
            excused == FNR - 1 && FNR > 1 { next }
            {
                code = $0
                gsub(/"([^"\\]|\\.)*"/, "\"\"", code)
                sub(/\/\/.*/, "", code)
            }
            code ~ /[A-Za-z0-9_)\]?]!([^=]|$)/ { report("force unwrap") }
            code ~ /try!|as!/ { report("try! or as!") }
            code ~ /fatalError\(|preconditionFailure\(/ { report("end of the process") }
            code ~ /(^|[^A-Za-z])precondition\(/ && FILENAME != "Sources/Wire/Checksums.swift" { report("precondition") }
            code ~ /@unchecked +Sendable|nonisolated\(unsafe\)/ { report("unchecked concurrency") }
            code ~ /(^|[^A-Za-z])unowned[ (]/ { report("unowned reference") }
            # Where bytes of others are read, a number is made narrower by saying how.
            FILENAME ~ /^Sources\/(Wire|IEC62056|COSEM|MBus|SML)\// {
                narrowed = code
                while (match(narrowed, /(^|[^A-Za-z.])U?Int8\(/)) {
                    narrowed = substr(narrowed, RSTART + RLENGTH)
                    if (narrowed !~ /^(exactly|clamping|truncatingIfNeeded|bitPattern|ascii|_)[ :]/ && narrowed !~ /^(0x)?[0-9]/ &&
                        narrowed !~ /^""/) report("a narrowing that traps")
                }
            }
            code ~ /-Ounchecked|unsafelyUnwrapped|assumingMemoryBound|unsafeBitCast/ { report("unchecked") }
            function report(what) { printf "%s:%d: %s: %s\n", FILENAME, FNR, what, $0 }
        '
    ) || fail "the sources could not be searched"
    # The one precondition stands behind the bounds of RawSpan's subscript, where the compiler wants an unsafe load.
    [[ -z $found ]] && return
    say "$found"
    fail "these need another form, or SAFETY and a reason in the line above"
}

# The layers, from the bottom. A module imports only modules of lower layers.
layers=(
    "OBIS Wire LogMessages CLinux CMosquitto"
    "IEC62056 COSEM MBus SML"
    "Metering Transport Rules Journal MQTT Discovery"
    "Configuration MeterSimulator Redaction"
    "Daemon"
    "obisd"
)

# Modules without input and output, and all that they may import.
declare -A pure=(
    [OBIS]="Synchronization"
    [Wire]="Synchronization"
    [IEC62056]="OBIS Wire"
    [COSEM]="OBIS Wire Crypto CryptoExtras"
    [MBus]="OBIS Wire"
    [SML]="OBIS Wire"
    [Metering]="OBIS Wire IEC62056 COSEM MBus SML Crypto CryptoExtras"
    [Rules]="OBIS"
    [Redaction]="OBIS Wire Metering Transport Crypto Yams"
    [Discovery]="OBIS"
)

audit_dependencies() {
    local -A layer=()
    local index module imported wrong=()
    for index in "${!layers[@]}"; do
        for module in ${layers[index]}; do layer[$module]=$index; done
    done
    for module in Sources/*/; do
        module=$(basename "$module")
        [[ -n ${layer[$module]:-} ]] || { wrong+=("$module stands in no layer: give it one in scripts/lib/audit.sh"); continue; }
        for imported in $(imports_of "$module"); do
            if [[ -n ${layer[$imported]:-} ]] && ((layer[$imported] >= layer[$module])); then
                wrong+=("$module imports $imported, which is not below it")
            fi
            if [[ -n ${pure[$module]+set} && " ${pure[$module]} " != *" $imported "* ]]; then
                wrong+=("$module imports $imported: it is to stay without input and output")
            fi
        done
    done
    ((${#wrong[@]})) || return 0
    printf '%s\n' "${wrong[@]}"
    fail "dependencies point downwards only"
}

# Every direct dependency has its line, with the reason, and every line its dependency.
audit_libraries() {
    diff <(sed -nE 's|.*\.package\(url: "https://[^"]*/([^/"]+)".*|\1|p' Package.swift | sort) \
        <(sed -nE 's/^\| \[([^]]+)\]\(https.*/\1/p' docs/dependencies.md | sort) ||
        fail "docs/dependencies.md names what Package.swift needs, and nothing else"
}

imports_of() {
    find "Sources/$1" -name '*.swift' -print0 | xargs -0 -r awk '
        /^[ \t]*(@[A-Za-z]+ +)*((public|package|internal|fileprivate|private) +)?import +/ {
            sub(/^.*import +((struct|class|enum|protocol|func|var|typealias|actor) +)?/, "")
            sub(/[^A-Za-z0-9_].*/, "")
            print
        }' | sort -u
}
