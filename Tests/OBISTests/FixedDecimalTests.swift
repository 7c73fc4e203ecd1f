import OBIS
import TestSupport
import Testing

@Suite("FixedDecimal")
struct FixedDecimalTests {
    // MARK: Text

    @Test(
        "keeps every digit behind the point and drops leading zeros",
        arguments: [
            ("123", 123, 0, "123"), ("-0.5", -5, -1, "-0.5"), ("+000.8", 8, -1, "0.8"),
            ("000123.450", 123_450, -3, "123.450"), (".5", 5, -1, "0.5"), ("-.5", -5, -1, "-0.5"),
            ("042951.721", 42_951_721, -3, "42951.721"), ("000.35", 35, -2, "0.35"), ("0", 0, 0, "0"),
            ("0.000", 0, -3, "0.000"), ("-0", 0, 0, "0"), ("-0.00", 0, -2, "0.00"), ("1.50", 150, -2, "1.50"),
            ("00000000000000000000000001", 1, 0, "1"), ("100", 100, 0, "100"),
        ] as [(String, Int64, Int8, String)])
    func plainText(text: String, mantissa: Int64, exponent: Int8, printed: String) {
        let number = FixedDecimal(text)
        #expect(number?.mantissa == mantissa)
        #expect(number?.exponent == exponent)
        #expect(number?.description == printed)
    }

    @Test(
        "reads the exponent form and prints plain digits",
        arguments: [
            ("1.5e-05", "0.000015"), ("1.5E-5", "0.000015"), ("1e3", "1000"), ("1e+3", "1000"), ("-2.50e1", "-25.0"),
            ("2.50e2", "250"), ("2.50e3", "2500"), ("0e5", "0"), ("0e-2", "0.00"), ("1e0", "1"),
            ("7e-007", "0.0000007"),
        ])
    func exponentForm(text: String, printed: String) {
        #expect(FixedDecimal(text)?.description == printed)
    }

    @Test(
        "holds the ends of 64 bits and refuses one more",
        arguments: [
            ("9223372036854775807", true), ("-9223372036854775808", true), ("0.9223372036854775807", true),
            ("-0.9223372036854775808", true), ("922337203685477580.7", true), ("9223372036854775808", false),
            ("-9223372036854775809", false), ("0.9223372036854775808", false), ("92233720368547758070", false),
            ("10000000000000000000", false), ("99999999999999999999", false),
        ])
    func edges(text: String, isHeld: Bool) {
        #expect(FixedDecimal(text)?.description == (isHeld ? text : nil))
    }

    @Test("holds exponents of eight bits and refuses more")
    func exponentEdges() {
        #expect(FixedDecimal("1e127") == FixedDecimal(1, exponent: 127))
        #expect(FixedDecimal("1e-128") == FixedDecimal(1, exponent: -128))
        #expect(FixedDecimal("0.1e-127") == FixedDecimal(1, exponent: -128))
        for text in ["1e128", "1e-129", "0.1e-128", "1e999", "1e-999", "0." + String(repeating: "0", count: 200)] {
            #expect(FixedDecimal(text) == nil, "\(text)")
        }
        #expect(FixedDecimal(1, exponent: 127).description == "1" + String(repeating: "0", count: 127))
        #expect(FixedDecimal(.min, exponent: -128).description.count == 131)
    }

    @Test(
        "refuses what is no number",
        arguments: [
            "", "-", "+", ".", "-.", "1.2.3", "1e", "1e+", "1e-", "1e1234", "1e1.5", "e5", ".e5", " 1", "1 ", "1,5",
            "--1",
            "+-1", "1-", "0x10", "NaN", "inf", "----", "********", "1_000", "\u{0661}", "１", "1e\u{0661}", "\u{0}1",
        ])
    func rejects(text: String) {
        #expect(FixedDecimal(text) == nil)
    }

    @Test("random numbers survive their text")
    func roundTrip() {
        var random = SeededGenerator(seed: 1)
        for _ in 0..<5000 {
            let number = FixedDecimal.random(using: &random)
            let text = number.description
            #expect(BigDecimal(plain: text) == BigDecimal(number), "\(number.mantissa)e\(number.exponent)")
            guard let read = FixedDecimal(text) else {
                // Zeros in front of the point may not fit 64 bits.
                #expect(number.exponent > 0, "\(text)")
                continue
            }
            #expect(read == number)
            if number.exponent <= 0 { #expect(read.mantissa == number.mantissa && read.exponent == number.exponent) }
            let scientific = "\(number.mantissa)e\(number.exponent)"
            #expect(FixedDecimal(scientific) == number)
        }
    }

    // MARK: Comparison

    @Test("equal values are equal and hash alike whatever their digits")
    func equality() {
        #expect(FixedDecimal("1.50") == FixedDecimal("1.5"))
        #expect(FixedDecimal(0, exponent: -5) == FixedDecimal(0, exponent: 9))
        #expect(FixedDecimal(1, exponent: 3) == FixedDecimal(1000))
        #expect(FixedDecimal("1.5") != FixedDecimal("1.51"))
        #expect(FixedDecimal(.min) != FixedDecimal(.max))
        #expect(Set([FixedDecimal(10), FixedDecimal(1, exponent: 1), FixedDecimal(100, exponent: -1)]).count == 1)
        #expect(FixedDecimal(12) == 12)
    }

    @Test("order and equality agree with exact arithmetic, also across exponents")
    func order() {
        var random = SeededGenerator(seed: 2)
        for _ in 0..<5000 {
            let left = FixedDecimal.random(using: &random)
            let right =
                Bool.random(using: &random) ? left.neighbour(using: &random) : FixedDecimal.random(using: &random)
            let (bigLeft, bigRight) = (BigDecimal(left), BigDecimal(right))
            #expect((left < right) == (bigLeft < bigRight), "\(left) < \(right)")
            #expect((right < left) == (bigRight < bigLeft), "\(right) < \(left)")
            #expect((left == right) == (bigLeft == bigRight), "\(left) == \(right)")
            if left == right { #expect(left.hashValue == right.hashValue) }
        }
    }

    @Test("order holds where a common exponent does not fit")
    func orderOfExtremes() {
        let ascending = [
            FixedDecimal(.min, exponent: 127), FixedDecimal(-1, exponent: 127), FixedDecimal(.min), FixedDecimal(-1),
            FixedDecimal(-1, exponent: -128), .zero, FixedDecimal(1, exponent: -128),
            FixedDecimal(.max, exponent: -128),
            FixedDecimal(1), FixedDecimal(.max), FixedDecimal(1, exponent: 127), FixedDecimal(.max, exponent: 127),
        ]
        for (i, left) in ascending.enumerated() {
            for (j, right) in ascending.enumerated() { #expect((left < right) == (i < j), "\(i) \(j)") }
        }
    }

    // MARK: Arithmetic

    @Test("sums and differences are exact or nil")
    func arithmetic() {
        var random = SeededGenerator(seed: 3)
        for _ in 0..<5000 {
            let left = FixedDecimal.random(using: &random)
            let right =
                Bool.random(using: &random) ? left.neighbour(using: &random) : FixedDecimal.random(using: &random)
            let common = Int(min(left.exponent, right.exponent))
            let (bigLeft, bigRight) = (BigDecimal(left), BigDecimal(right))
            let operandsFit = bigLeft.fitsInt64(at: common) && bigRight.fitsInt64(at: common)
            for (result, exact) in [
                (left.adding(right), bigLeft + bigRight), (left.subtracting(right), bigLeft + bigRight.negated),
            ] {
                if let result { #expect(BigDecimal(result) == exact, "\(left), \(right)") }
                if operandsFit, exact.fitsInt64(at: common), right.mantissa != .min {
                    #expect(result != nil, "\(left), \(right)")
                }
            }
        }
    }

    @Test("sums that do not fit are nil")
    func overflow() {
        #expect(FixedDecimal(.max).adding(1) == nil)
        #expect(FixedDecimal(.min).subtracting(1) == nil)
        #expect(FixedDecimal(.min).adding(FixedDecimal(.min)) == nil)
        #expect(FixedDecimal(1, exponent: 127).adding(FixedDecimal(1, exponent: -128)) == nil)
        #expect(FixedDecimal(.max).adding(0) == FixedDecimal(.max))
        #expect(FixedDecimal(.max).adding(FixedDecimal(.min)) == -1)
        #expect(FixedDecimal("0.1")?.adding(FixedDecimal("0.2") ?? 0) == FixedDecimal("0.3"))
        #expect(FixedDecimal("1.00")?.subtracting(1)?.description == "0.00")
    }

    @Test("a zero takes nothing away from the other number, whatever its exponent")
    func zeroOfAnyExponent() {
        let large = FixedDecimal(.max)
        #expect(FixedDecimal(0, exponent: -20).adding(large) == large)
        #expect(large.subtracting(FixedDecimal(0, exponent: -20)) == large)
        #expect(FixedDecimal(-1).subtracting(FixedDecimal(.min)) == FixedDecimal(.max))
    }

    @Test("scaling moves the point and stops at the ends of the exponent")
    func scaling() {
        #expect(FixedDecimal(2315).scaled(byPowerOfTen: -1)?.description == "231.5")
        #expect(FixedDecimal(2810).scaled(byPowerOfTen: 0)?.description == "2810")
        #expect(FixedDecimal(5).scaled(byPowerOfTen: 3)?.description == "5000")
        #expect(FixedDecimal(5, exponent: 100).scaled(byPowerOfTen: 27)?.exponent == 127)
        #expect(FixedDecimal(5, exponent: 100).scaled(byPowerOfTen: 28) == nil)
        #expect(FixedDecimal(5, exponent: -100).scaled(byPowerOfTen: -29) == nil)
        #expect(FixedDecimal(5, exponent: 1).scaled(byPowerOfTen: .max) == nil)
        #expect(FixedDecimal(5, exponent: -1).scaled(byPowerOfTen: .min) == nil)
    }

    @Test("the signs and the binary neighbour are right")
    func views() {
        #expect(FixedDecimal("-0.1")?.isNegative == true)
        #expect(FixedDecimal("0.00")?.isZero == true)
        #expect(FixedDecimal("0.1")?.isZero == false)
        #expect(FixedDecimal("123.45")?.double == 123.45)
        #expect(FixedDecimal("-2e3")?.double == -2000)
        #expect(FixedDecimal("0.3")?.double == 0.3)
    }

    // MARK: Binary numbers

    @Test(
        "a float becomes the shortest decimal",
        arguments: [
            (231.5, "231.5"), (0.1, "0.1"), (230, "230"), (-0.0, "0"), (1e-5, "0.00001"), (16_777_216, "16777216"),
            (-2.15, "-2.15"), (3.4028235e38, "34028235" + String(repeating: "0", count: 31)), (1e10, "10000000000"),
        ] as [(Float, String)])
    func shortestFloat(number: Float, text: String) {
        #expect(FixedDecimal(number)?.description == text)
    }

    @Test(
        "a double becomes the shortest decimal",
        arguments: [
            (0.1, "0.1"), (0.1 + 0.2, "0.30000000000000004"), (1e16, "1" + String(repeating: "0", count: 16)),
            (49.98, "49.98"), (-1, "-1"), (1e100, "1" + String(repeating: "0", count: 100)),
        ] as [(Double, String)])
    func shortestDouble(number: Double, text: String) {
        #expect(FixedDecimal(number)?.description == text)
    }

    @Test("what is no number, or beyond the exponent, is nil")
    func noFloat() {
        for number in [Float.nan, .infinity, -.infinity, .signalingNaN] { #expect(FixedDecimal(number) == nil) }
        for number in [Double.nan, .infinity, .leastNonzeroMagnitude, .greatestFiniteMagnitude] {
            #expect(FixedDecimal(number) == nil)
        }
    }

    @Test("floats of few decimals become what the language prints")
    func shortFloats() {
        var random = SeededGenerator(seed: 5)
        for _ in 0..<5000 {
            let digits =
                Int64.random(in: -20_000_000...20_000_000, using: &random) >> Int64.random(in: 0...20, using: &random)
            let decimal = FixedDecimal(digits, exponent: -Int8.random(in: 0...8, using: &random))
            guard let number = Float(decimal.description) else { continue }
            let printed = "\(number)".hasSuffix(".0") ? String("\(number)".dropLast(2)) : "\(number)"
            #expect(FixedDecimal(number)?.description == FixedDecimal(printed)?.description)
        }
    }

    @Test("random floats read back as themselves, and no shorter decimal does")
    func floatRoundTrip() {
        var random = SeededGenerator(seed: 4)
        for _ in 0..<3000 {
            let number = Float(bitPattern: UInt32.random(in: 0...UInt32.max, using: &random))
            guard number.isFinite else { continue }
            guard let decimal = FixedDecimal(number) else {
                Issue.record("\(number) has no decimal")
                continue
            }
            #expect(Float(decimal.description) == number)
            let digits = BigDecimal(decimal).digits.count
            guard digits > 1, !decimal.isZero else { continue }
            let shorter = decimal.mantissa / 10
            for candidate in [shorter - 1, shorter, shorter + 1] where decimal.mantissa % 10 != 0 {
                let text = "\(candidate)e\(Int(decimal.exponent) + 1)"
                #expect(Float(text) != number, "\(number) has the shorter form \(text)")
            }
        }
    }
}

extension FixedDecimal {
    /// All lengths of digits alike, and exponents as meters send them and far beyond.
    static func random(using random: inout SeededGenerator) -> FixedDecimal {
        let bits = Int.random(in: 0...63, using: &random)
        let mantissa = Int64(truncatingIfNeeded: random.next()) >> Int64(bits)
        let exponent = Int8.random(in: Bool.random(using: &random) ? -6...6 : -40...40, using: &random)
        return FixedDecimal(mantissa, exponent: exponent)
    }

    /// The same value in other digits where that fits, or one that differs in the last digit.
    func neighbour(using random: inout SeededGenerator) -> FixedDecimal {
        var (digits, power) = (mantissa, exponent)
        for _ in 0..<Int.random(in: 0...6, using: &random) {
            let (next, overflow) = digits.multipliedReportingOverflow(by: 10)
            guard !overflow, power > -128 else { break }
            (digits, power) = (next, power - 1)
        }
        let (step, overflow) = digits.addingReportingOverflow(Int64.random(in: -1...1, using: &random))
        return FixedDecimal(overflow ? digits : step, exponent: power)
    }
}
