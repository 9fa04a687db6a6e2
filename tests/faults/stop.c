/* Stops a process, or fails its calls, at the n-th change it makes below a folder.

   Preloaded (LD_PRELOAD), it counts writes, copies in the kernel, cuts, renames, links, removals, new
   files and folders, and forced writes. fault_arm says where to stop: `kill` ends the process at once, as SIGKILL does; ENOSPC and
   EROFS let the n-th and all later changes fail, as a full or a read-only disk does. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

static char root[PATH_MAX];
static long at, count;
static int failure; /* 0: kill */

void fault_arm(const char *folder, long n, int number) {
  strncpy(root, folder, sizeof root - 1);
  count = 0;
  at = n;
  failure = number;
}

long fault_count(void) { return count; }

static int below(const char *path) { return root[0] && strncmp(path, root, strlen(root)) == 0; }

static int path_below(int folder, const char *path) {
  char from[64], base[PATH_MAX];
  if (!path) return 0;
  if (path[0] == '/') return below(path);
  if (folder == AT_FDCWD) {
    if (!getcwd(base, sizeof base)) return 0;
    return below(base);
  }
  snprintf(from, sizeof from, "/proc/self/fd/%d", folder);
  ssize_t size = readlink(from, base, sizeof base - 1);
  if (size < 0) return 0;
  base[size] = 0;
  return below(base);
}

static int file_below(int file) { return file > 2 && path_below(file, ""); }

/* 1 if the call must fail; errno is set. */
static int stopped(int inside) {
  if (!inside) return 0;
  count++;
  if (!at || count < at) return 0;
  if (!failure) {
    if (count == at) kill(getpid(), SIGKILL);
    return 0;
  }
  errno = failure;
  return 1;
}

#define REAL(name) __typeof__(name) *real = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)

ssize_t write(int file, const void *bytes, size_t size) {
  REAL(write);
  return stopped(file_below(file)) ? -1 : real(file, bytes, size);
}

ssize_t writev(int file, const struct iovec *parts, int number) {
  REAL(writev);
  return stopped(file_below(file)) ? -1 : real(file, parts, number);
}

ssize_t pwrite(int file, const void *bytes, size_t size, off_t offset) {
  REAL(pwrite);
  return stopped(file_below(file)) ? -1 : real(file, bytes, size, offset);
}

ssize_t pwrite64(int file, const void *bytes, size_t size, off64_t offset) {
  REAL(pwrite64);
  return stopped(file_below(file)) ? -1 : real(file, bytes, size, offset);
}

size_t fwrite(const void *bytes, size_t size, size_t number, FILE *stream) {
  REAL(fwrite);
  return stopped(file_below(fileno(stream))) ? 0 : real(bytes, size, number, stream);
}

ssize_t sendfile(int to, int from, off_t *offset, size_t size) {
  REAL(sendfile);
  return stopped(file_below(to)) ? -1 : real(to, from, offset, size);
}

ssize_t sendfile64(int to, int from, off64_t *offset, size_t size) {
  REAL(sendfile64);
  return stopped(file_below(to)) ? -1 : real(to, from, offset, size);
}

ssize_t copy_file_range(int from, off64_t *start, int to, off64_t *end, size_t size, unsigned flags) {
  REAL(copy_file_range);
  return stopped(file_below(to)) ? -1 : real(from, start, to, end, size, flags);
}

int ftruncate(int file, off_t size) {
  REAL(ftruncate);
  return stopped(file_below(file)) ? -1 : real(file, size);
}

int ftruncate64(int file, off64_t size) {
  REAL(ftruncate64);
  return stopped(file_below(file)) ? -1 : real(file, size);
}

int symlink(const char *target, const char *path) {
  REAL(symlink);
  return stopped(path_below(AT_FDCWD, path)) ? -1 : real(target, path);
}

int fsync(int file) {
  REAL(fsync);
  return stopped(file_below(file)) ? -1 : real(file);
}

int fdatasync(int file) {
  REAL(fdatasync);
  return stopped(file_below(file)) ? -1 : real(file);
}

int rename(const char *from, const char *to) {
  REAL(rename);
  return stopped(path_below(AT_FDCWD, to)) ? -1 : real(from, to);
}

int renameat(int from_folder, const char *from, int to_folder, const char *to) {
  REAL(renameat);
  return stopped(path_below(to_folder, to)) ? -1 : real(from_folder, from, to_folder, to);
}

int unlink(const char *path) {
  REAL(unlink);
  return stopped(path_below(AT_FDCWD, path)) ? -1 : real(path);
}

int unlinkat(int folder, const char *path, int flags) {
  REAL(unlinkat);
  return stopped(path_below(folder, path)) ? -1 : real(folder, path, flags);
}

int rmdir(const char *path) {
  REAL(rmdir);
  return stopped(path_below(AT_FDCWD, path)) ? -1 : real(path);
}

int mkdir(const char *path, mode_t mode) {
  REAL(mkdir);
  return stopped(path_below(AT_FDCWD, path)) ? -1 : real(path, mode);
}

#define OPEN(name)                                                              \
  int name(const char *path, int flags, ...) {                                  \
    REAL(name);                                                                 \
    mode_t mode = 0;                                                            \
    if (flags & (O_CREAT | O_TMPFILE)) {                                        \
      va_list more;                                                             \
      va_start(more, flags);                                                    \
      mode = va_arg(more, mode_t);                                              \
      va_end(more);                                                             \
    }                                                                           \
    int changes = (flags & (O_CREAT | O_TRUNC)) != 0;                           \
    return changes && stopped(path_below(AT_FDCWD, path)) ? -1 : real(path, flags, mode); \
  }
OPEN(open)
OPEN(open64)

#define FOPEN(name)                                                             \
  FILE *name(const char *path, const char *mode) {                              \
    REAL(name);                                                                 \
    int changes = strpbrk(mode, "wa+") != NULL;                                 \
    return changes && stopped(path_below(AT_FDCWD, path)) ? NULL : real(path, mode); \
  }
FOPEN(fopen)
FOPEN(fopen64)
