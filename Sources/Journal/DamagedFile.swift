import Glibc

/// The pages of a database that SQLite no longer reads, or no longer reads to its end: those of the file and, over them,
/// those that were committed to the log. `https://www.sqlite.org/fileformat2.html` describes both.
///
/// SQLite takes a log as ended where its sums no longer match, which is right after a power cut: the last transaction was
/// not synced. Where whole transactions with readings follow, the log is damaged, and they were synced.
package struct DamagedFile: ~Copyable {
    let pageSize: Int
    private(set) var pageCount: Int
    private let database: Int32
    private let log: Int32
    /// Where in the log the newest committed version of a page stands.
    private var committed: [Int: Int] = [:]
    /// Other versions of pages, numbered on from the last page: of a damaged log the newest need not be the best.
    private var versions: [(isInLog: Bool, offset: Int)] = []
    /// Whether the log goes on behind the place where SQLite takes it as ended, and where that is.
    private(set) var isLogDamaged = false
    private var soundEnd = 32
    /// Whether pages are described by maps; assumed where the header does not say.
    let hasMaps: Bool

    /// - Throws: `access` where the file cannot be read.
    package init(_ files: JournalFiles) throws(JournalError) {
        database = unsafe open(files.path, O_RDONLY | O_CLOEXEC)
        guard database >= 0 else { throw .noAccess(files, JournalFiles.reason(errno)) }
        log = unsafe open(files.path + "-wal", O_RDONLY | O_CLOEXEC)
        let header = Self.read(database, at: 0, count: 100)
        pageSize = Self.pageSize(header) ?? 4096
        hasMaps = Self.pageSize(header) == nil || header.bigEndian(at: 52, bytes: 4) > 0
        pageCount = Int(files.databaseBytes ?? 0) / pageSize
        if log >= 0 { readLog(bytes: Int(files.logBytes)) }
        pageCount = max(pageCount, committed.keys.max() ?? 0)
    }

    /// Whether it is a journal of this format or an older one, by its first page.
    package var isJournal: Bool {
        guard let first = page(1) else { return false }
        return first.bigEndian(at: 68, bytes: 4) == Int(Schema.applicationID)
            && first.bigEndian(at: 60, bytes: 4) <= Schema.migrations.count
    }

    /// All pages, and other versions of them.
    var places: Range<Int> { 1..<(pageCount + versions.count + 1) }

    /// Takes what follows the damage in the log for committed as well.
    package mutating func readBehindDamage(_ files: JournalFiles) {
        guard isLogDamaged else { return }
        let frames = frames(bytes: Int(files.logBytes))
        guard let last = frames.lastIndex(where: \.isCommit) else { return }
        for frame in frames[...last] where (1...(1 << 24)) ~= frame.page {
            if frame.page <= Int(files.databaseBytes ?? 0) / pageSize, committed[frame.page] == nil {
                versions.append((false, (frame.page - 1) * pageSize))
            }
            versions.append((true, frame.offset))
            committed[frame.page] = frame.offset
        }
        pageCount = max(pageCount, committed.keys.max() ?? 0)
    }

    deinit {
        close(database)
        if log >= 0 { close(log) }
    }

    /// - Parameter number: from 1.
    /// - Returns: nil where it is not whole.
    func page(_ number: Int) -> [UInt8]? {
        guard places.contains(number) else { return nil }
        if number > pageCount {
            let version = versions[number - pageCount - 1]
            let page = Self.read(version.isInLog ? log : database, at: version.offset, count: pageSize)
            return page.count == pageSize ? page : nil
        }
        let page =
            committed[number].map { Self.read(log, at: $0, count: pageSize) }
            ?? Self.read(database, at: (number - 1) * pageSize, count: pageSize)
        return page.count == pageSize ? page : nil
    }

    /// Whether the page stands in the log behind its damage, where commits that were refused may be too.
    func isBehindDamage(_ number: Int) -> Bool {
        guard number > pageCount else { return (committed[number] ?? 0) > soundEnd }
        guard places.contains(number) else { return false }
        let version = versions[number - pageCount - 1]
        return version.isInLog && version.offset > soundEnd
    }

    private static func pageSize(_ header: [UInt8]) -> Int? {
        guard header.count == 100, header.starts(with: "SQLite format 3\0".utf8) else { return nil }
        let size = header.bigEndian(at: 16, bytes: 2)
        guard size != 1 else { return 65536 }
        return size >= 512 && size & (size - 1) == 0 ? size : nil
    }

    private static func read(_ descriptor: Int32, at offset: Int, count: Int) -> [UInt8] {
        unsafe [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
            // The buffer has room for what is asked.
            let result = unsafe pread(descriptor, buffer.baseAddress, count, off_t(offset))
            filled = max(0, result)
        }
    }

    // MARK: The log

    private struct Frame {
        let page: Int
        let isCommit: Bool
        /// Of its content.
        let offset: Int
    }

    /// Frames count up to the last commit before the first that does not continue the sums.
    private mutating func readLog(bytes: Int) {
        var sum = LogSum()
        let isSound = logSalt(&sum) != nil
        var waiting: [Int: Int] = [:]
        var end = 32
        for frame in isSound ? frames(bytes: bytes) : [] {
            let content = Self.read(log, at: frame.offset - 24, count: 24 + pageSize)
            guard frame.offset == end + 24, content.count == 24 + pageSize else { break }
            sum.update(content[0..<8])
            sum.update(content[24...])
            guard sum.matches(content, at: 16) else { break }
            end += 24 + pageSize
            waiting[frame.page] = frame.offset
            guard frame.isCommit else { continue }
            committed.merge(waiting) { $1 }
            waiting = [:]
        }
        soundEnd = end
        let behind = Self.transactions(frames(bytes: bytes).filter { $0.offset > end })
        // Without a header the log never was one that a power cut could have left.
        isLogDamaged = isSound ? behind.dropLast().contains { $0 > 1 } : !behind.isEmpty
    }

    /// The numbers of frames of the transactions that are committed. Those that only move a cursor have one, and many of
    /// them may be lost in a power cut; a reading takes more, and was synced before the next began.
    private static func transactions(_ frames: [Frame]) -> [Int] {
        var sizes: [Int] = []
        var size = 0
        for frame in frames {
            size += 1
            guard frame.isCommit else { continue }
            sizes.append(size)
            size = 0
        }
        return sizes
    }

    /// Those of the present round of the log, which have the header's two numbers.
    private func frames(bytes: Int) -> [Frame] {
        let starts = stride(from: 32, through: bytes - 24 - pageSize, by: 24 + pageSize)
        let all = starts.map { (offset: $0 + 24, header: Self.read(log, at: $0, count: 24)) }
            .filter { $0.header.count == 24 }
        let salts = all.map { $0.header.bigEndian(at: 8, bytes: 4) << 32 | $0.header.bigEndian(at: 12, bytes: 4) }
        let present = presentSalt(salts)
        return zip(all, salts).filter { $0.1 == present }.map { frame, _ in
            Frame(
                page: frame.header.bigEndian(at: 0, bytes: 4), isCommit: frame.header.bigEndian(at: 4, bytes: 4) > 0,
                offset: frame.offset)
        }
    }

    /// Where the header is damaged, the largest of those that more than one frame has: each round counts on.
    private func presentSalt(_ salts: [Int]) -> Int? {
        var sum = LogSum()
        if let salt = logSalt(&sum) { return salt }
        let counts = salts.reduce(into: [:]) { $0[$1, default: 0] += 1 }
        return counts.filter { $0.value > 1 }.keys.max { UInt(bitPattern: $0) < UInt(bitPattern: $1) }
    }

    /// The header's two numbers as one; nil where it is damaged. Begins the sum.
    private func logSalt(_ sum: inout LogSum) -> Int? {
        let header = Self.read(log, at: 0, count: 32)
        guard header.count == 32, header.bigEndian(at: 0, bytes: 4) & ~1 == 0x377F_0682,
            header.bigEndian(at: 8, bytes: 4) == pageSize
        else { return nil }
        sum.isBigEndian = header[3] & 1 == 1
        sum.update(header.prefix(24))
        guard sum.matches(header, at: 24) else { return nil }
        return header.bigEndian(at: 16, bytes: 4) << 32 | header.bigEndian(at: 20, bytes: 4)
    }
}

/// The running sum over a log's header and frames.
private struct LogSum {
    var isBigEndian = false
    private var first: UInt32 = 0
    private var second: UInt32 = 0

    mutating func update(_ bytes: ArraySlice<UInt8>) {
        var index = bytes.startIndex
        while index + 8 <= bytes.endIndex {
            first = first &+ word(bytes, at: index) &+ second
            second = second &+ word(bytes, at: index + 4) &+ first
            index += 8
        }
    }

    private func word(_ bytes: ArraySlice<UInt8>, at index: Int) -> UInt32 {
        let (a, b, c, d) = (
            UInt32(bytes[index]), UInt32(bytes[index + 1]), UInt32(bytes[index + 2]), UInt32(bytes[index + 3])
        )
        return isBigEndian ? a << 24 | b << 16 | c << 8 | d : d << 24 | c << 16 | b << 8 | a
    }

    func matches(_ bytes: [UInt8], at index: Int) -> Bool {
        bytes.bigEndian(at: index, bytes: 4) == Int(first) && bytes.bigEndian(at: index + 4, bytes: 4) == Int(second)
    }
}

extension [UInt8] {
    /// An unsigned number of at most seven bytes; 0 where it is not all there.
    func bigEndian(at index: Int, bytes: Int) -> Int {
        guard index >= 0, index + bytes <= count else { return 0 }
        return self[index..<(index + bytes)].reduce(0) { $0 << 8 | Int($1) }
    }
}
