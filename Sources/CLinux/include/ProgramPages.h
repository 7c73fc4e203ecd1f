#ifndef OBISD_PROGRAM_PAGES_H
#define OBISD_PROGRAM_PAGES_H

/// Lets go of the pages of the program's own code and constants (madvise(2), MADV_DONTNEED): they are the same as in its
/// file, and those that are needed come back one by one. Two of three serve the start alone.
void obisd_release_program(void);

#endif
