# The installed service, started by a systemd of its own in a container. Sourced by scripts/test-package.
# shellcheck shell=bash

machine=

# A copy of this machine's files in memory, into which the package has been unpacked. What happens there is gone after.
enter_sandbox() {
    machine=$work/machine
    mkdir -p "$machine/layer" "$machine/tree"
    mount -t tmpfs -o size=1g tmpfs "$machine/layer" && mkdir "$machine/layer/upper" "$machine/layer/work" &&
        mount -t overlay overlay -o "lowerdir=/,upperdir=$machine/layer/upper,workdir=$machine/layer/work" "$machine/tree"
}

leave_sandbox() {
    [[ -n $machine ]] || return 0
    umount "$machine/tree" 2>/dev/null || true
    umount "$machine/layer" 2>/dev/null || true
    machine=
}

# boot: starts systemd there until the target `trial` has ended by itself.
boot() {
    timeout 90 systemd-nspawn --quiet --register=no --keep-unit --private-network --boot --directory="$machine/tree" \
        --machine=obisd-trial systemd.unit=trial.target </dev/null >"$machine/boot.log" 2>&1
}

# add_trial COMMAND…: the one thing that systemd does there, and what it said, in /trial.log. The end of it ends systemd without
# a request, whose answer the end itself can cut off.
add_trial() {
    local units=$machine/tree/etc/systemd/system
    rm -f "$machine/tree/etc/machine-id"
    # There is no network to wait for.
    ln -sf /dev/null "$units/network-online.target"
    ln -sf /dev/null "$units/systemd-networkd-wait-online.service"
    cat >"$units/trial.target" <<'END'
[Unit]
Requires=basic.target
After=basic.target
AllowIsolate=yes
END
    cat >"$units/trial.service" <<END
[Unit]
After=basic.target
SuccessAction=poweroff
FailureAction=poweroff
[Service]
Type=oneshot
TimeoutStartSec=60s
StandardOutput=file:/trial.log
StandardError=file:/trial.log
ExecStart=$*
END
    mkdir -p "$units/trial.target.wants" && ln -sf ../trial.service "$units/trial.target.wants/trial.service"
}

sandbox_can_start() {
    local status=1
    if enter_sandbox 2>/dev/null; then
        add_trial /bin/echo started
        boot || true
        [[ $(cat "$machine/tree/trial.log" 2>/dev/null) == started ]] && status=0
    fi
    leave_sandbox
    return "$status"
}

# runs_in_sandbox [DROP-IN]: the service has to say that it is ready, and its journal has to get readings of a simulated
# meter, behind a pseudo-terminal, or with the drop-in behind a gateway.
runs_in_sandbox() {
    local place='serial: /run/meter/line, line: 9600 8N1' meter='pty=/run/meter/line'
    if [[ -n ${1:-} ]]; then place='tcp: "127.0.0.1:4059"' meter='tcp=4059'; fi
    enter_sandbox || return 1
    dpkg-deb -x "$package" "$machine/tree"
    [[ -z ${1:-} ]] || install -D -m 644 "systemd/drop-in/$1" "$machine/tree/etc/systemd/system/obisd.service.d/$1"
    cat >"$machine/tree/etc/obisd/obisd.yaml" <<END
node: trial
broker: {host: localhost}
meters:
  - {id: main, protocol: sml, transport: {$place}}
END
    cat >"$machine/tree/trial" <<END
#!/bin/bash
# A meter that the service's user may read, the service, and what it has journaled within half a minute.
chgrp obisd /etc/obisd /etc/obisd/obisd.yaml
mkdir -p /run/meter && : >/run/meter/log
/usr/bin/obisd simulate --meter sml,$meter,interval=1s >/run/meter/log 2>&1 &
for ((i = 0; i < 100; i++)); do grep -q sml /run/meter/log && break; sleep 0.1; done
[[ ! -e /run/meter/line ]] || { chgrp dialout "\$(readlink -f /run/meter/line)"; chmod 660 "\$(readlink -f /run/meter/line)"; }
systemctl start obisd.service || { systemctl --no-pager status obisd.service; journalctl --no-pager -u obisd; exit 1; }
for ((i = 0; i < 300; i++)); do
    seen=\$(runuser -u obisd -- /usr/bin/obisd readings --meter main --since 1h --format json 2>/dev/null | grep -c '"seq"')
    ((seen >= 3)) && break
    sleep 0.1
done
systemctl show -p NRestarts,ActiveState obisd.service
((seen >= 3)) && systemctl is-active --quiet obisd.service && echo "the journal has readings" && exit
journalctl --no-pager -u obisd
exit 1
END
    chmod 755 "$machine/tree/trial"
    add_trial /trial
    boot || true
    cat "$machine/tree/trial.log"
    local status=0
    grep -q '^the journal has readings$' "$machine/tree/trial.log" || status=1
    leave_sandbox
    return "$status"
}
