extension String {
    /// A text of so many ASCII characters, each given by its place: no buffer besides the text itself.
    @inlinable @inline(__always)
    package init(count: Int, ascii character: (Int) -> UInt8) {
        unsafe self.init(unsafeUninitializedCapacity: count) { buffer in
            // In bounds: the buffer has room for so many. What is no ASCII would be repaired, not trusted.
            for index in 0..<count { unsafe buffer[index] = character(index) }
            return count
        }
    }
}
