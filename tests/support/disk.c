/*
 * Stands between a program and its disk, its clock and its names (LD_PRELOAD), for tests.
 *
 * FAULTS_DATABASE  the database whose files are watched: itself, -wal, -shm, .lock, -journal, and their folder
 * FAULTS_LOG       if set, every change of these files is appended here, in the order in which it happened
 * FAULTS_CONTROL   if set, a file of `struct control` that tells what is to fail from now on; it is shared memory, so
 *                  what the test writes there counts at once
 *
 * Written for Linux with 64-bit files, where the system's own calls can stand for those of the C library.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define FILES_MAX 65536
#define KINDS 6

/* What a file is, and its bit in `struct fault`. */
enum kind { DATABASE, WAL, SHM, LOCK, JOURNAL, FOLDER, NOTHING };
static const char *const suffixes[] = { "", "-wal", "-shm", ".lock", "-journal" };

/* What is appended to the log, followed by `length` bytes. Tests append acknowledgements of their own. */
enum op { CREATE = 1, WRITE, TRUNCATE, SYNC, SYNC_FAILED, UNLINK, RENAME };
struct record {
    uint32_t op, object;
    uint64_t at, length;
};

struct fault {
    /* What the call fails with; 0: it does not. */
    int32_t error;
    /* How often it still does; below 0: until it is told otherwise. */
    int32_t left;
    /* Of which files, a bit each. */
    int32_t kinds;
    /* How often it has. */
    int32_t done;
};

struct control {
    int64_t clock_seconds, timers_seconds;
    struct fault write, sync, read, open, dns;
};

static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER;
static char database[4096], folder[4096];
static size_t database_length;
static int log_file = -1;
static volatile struct control *control;
/* By descriptor: 1 + kind, and the file behind the name when it was opened. */
static unsigned char kinds[FILES_MAX];
static uint32_t objects[FILES_MAX];
/* By kind: the file behind the name now. Those that were there at the start are numbered as their kind. */
static uint32_t named[KINDS] = { 1, 2, 3, 4, 5, 6 };
static uint32_t newest = 16;

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("FAULTS_DATABASE");
    if (path && strlen(path) < sizeof database) {
        strcpy(database, path);
        database_length = strlen(path);
        strcpy(folder, path);
        char *slash = strrchr(folder, '/');
        if (slash) *slash = 0;
    }
    if ((path = getenv("FAULTS_LOG")))
        log_file = syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if ((path = getenv("FAULTS_CONTROL"))) {
        int file = syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC);
        void *shared = mmap(0, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
        if (file >= 0 && shared != MAP_FAILED) control = shared;
        syscall(SYS_close, file);
    }
}

static enum kind kind_of(const char *path) {
    if (!database_length) return NOTHING;
    if (!strcmp(path, folder)) return FOLDER;
    if (strncmp(path, database, database_length)) return NOTHING;
    for (int kind = DATABASE; kind < FOLDER; kind++)
        if (!strcmp(path + database_length, suffixes[kind])) return kind;
    return NOTHING;
}

static enum kind kind_at(int file) {
    return file >= 0 && file < FILES_MAX && kinds[file] ? kinds[file] - 1 : NOTHING;
}

/* A record is one write to a file that is only appended to, so nothing comes between its parts. */
static void note(enum op op, uint32_t object, uint64_t at, const void *data, uint64_t length) {
    if (log_file < 0) return;
    struct record record = { op, object, at, length };
    struct iovec parts[] = { { &record, sizeof record }, { (void *)data, length } };
    int before = errno;
    if (syscall(SYS_writev, log_file, parts, 2) != (long)(sizeof record + length)) abort();
    errno = before;
}

static int fails(volatile struct fault *fault, enum kind kind) {
    if (!fault->error || !fault->left || !(fault->kinds & 1 << kind)) return 0;
    if (fault->left > 0) fault->left--;
    fault->done++;
    errno = fault->error;
    return 1;
}

static int open_at(int at, const char *path, int flags, mode_t mode) {
    enum kind kind = kind_of(path);
    if (kind == NOTHING) return syscall(SYS_openat, at, path, flags, mode);
    pthread_mutex_lock(&one_at_a_time);
    int file = -1;
    if (control && (flags & O_ACCMODE) != O_RDONLY && fails(&control->open, kind)) goto done;
    int is_new = flags & O_CREAT && syscall(SYS_faccessat, at, path, F_OK);
    file = syscall(SYS_openat, at, path, flags, mode);
    if (file < 0 || file >= FILES_MAX) goto done;
    if (is_new) {
        named[kind] = ++newest;
        note(CREATE, named[kind], kind, 0, 0);
    } else if (flags & O_TRUNC)
        note(TRUNCATE, named[kind], 0, 0, 0);
    kinds[file] = 1 + kind;
    objects[file] = named[kind];
done:
    pthread_mutex_unlock(&one_at_a_time);
    return file;
}

#define MODE(flags, mode) \
    mode_t mode = 0; \
    if (flags & (O_CREAT | __O_TMPFILE)) { \
        va_list rest; \
        va_start(rest, flags); \
        mode = va_arg(rest, mode_t); \
        va_end(rest); \
    }
int open(const char *path, int flags, ...) { MODE(flags, mode) return open_at(AT_FDCWD, path, flags, mode); }
int open64(const char *path, int flags, ...) { MODE(flags, mode) return open_at(AT_FDCWD, path, flags, mode); }
int openat(int at, const char *path, int flags, ...) { MODE(flags, mode) return open_at(at, path, flags, mode); }
int openat64(int at, const char *path, int flags, ...) { MODE(flags, mode) return open_at(at, path, flags, mode); }

int close(int file) {
    if (file >= 0 && file < FILES_MAX) kinds[file] = 0;
    return syscall(SYS_close, file);
}

/* A full disk has room still for what is there already. */
static int cannot_write(int file, enum kind kind, uint64_t end) {
    struct stat now;
    if (!control) return 0;
    if (control->write.error == ENOSPC && !fstat(file, &now) && end <= (uint64_t)now.st_size) return 0;
    return fails(&control->write, kind);
}

/* `at` below 0: where the file stands. */
static ssize_t write_at(int file, const void *data, size_t length, int64_t at) {
    enum kind kind = kind_at(file);
    ssize_t written = -1;
    int64_t begins = at;
    if (kind != NOTHING) {
        pthread_mutex_lock(&one_at_a_time);
        if (at < 0) begins = syscall(SYS_lseek, file, 0, SEEK_CUR);
        if (cannot_write(file, kind, begins + length)) goto done;
    }
    written = at >= 0 ? syscall(SYS_pwrite64, file, data, length, at) : syscall(SYS_write, file, data, length);
    if (kind == NOTHING) return written;
    if (written > 0) note(WRITE, objects[file], begins, data, written);
done:
    pthread_mutex_unlock(&one_at_a_time);
    return written;
}
ssize_t write(int file, const void *data, size_t length) { return write_at(file, data, length, -1); }
ssize_t pwrite(int file, const void *data, size_t length, off_t at) { return write_at(file, data, length, at); }
ssize_t pwrite64(int file, const void *data, size_t length, off64_t at) { return write_at(file, data, length, at); }

static ssize_t read_at(int file, void *data, size_t length, int64_t at) {
    enum kind kind = kind_at(file);
    if (kind != NOTHING && control && fails(&control->read, kind)) return -1;
    return at >= 0 ? syscall(SYS_pread64, file, data, length, at) : syscall(SYS_read, file, data, length);
}
ssize_t read(int file, void *data, size_t length) { return read_at(file, data, length, -1); }
ssize_t pread(int file, void *data, size_t length, off_t at) { return read_at(file, data, length, at); }
ssize_t pread64(int file, void *data, size_t length, off64_t at) { return read_at(file, data, length, at); }

static int truncate_at(int file, int64_t length) {
    enum kind kind = kind_at(file);
    if (kind == NOTHING) return syscall(SYS_ftruncate, file, length);
    pthread_mutex_lock(&one_at_a_time);
    int result = -1;
    if (!cannot_write(file, kind, length)) {
        result = syscall(SYS_ftruncate, file, length);
        if (!result) note(TRUNCATE, objects[file], length, 0, 0);
    }
    pthread_mutex_unlock(&one_at_a_time);
    return result;
}
int ftruncate(int file, off_t length) { return truncate_at(file, length); }
int ftruncate64(int file, off64_t length) { return truncate_at(file, length); }

static int sync_file(int file, long call) {
    enum kind kind = kind_at(file);
    if (kind == NOTHING) return syscall(call, file);
    pthread_mutex_lock(&one_at_a_time);
    int result = -1;
    if (control && fails(&control->sync, kind))
        note(SYNC_FAILED, objects[file], 0, 0, 0);
    else {
        result = syscall(call, file);
        if (!result) note(SYNC, objects[file], 0, 0, 0);
    }
    pthread_mutex_unlock(&one_at_a_time);
    return result;
}
int fsync(int file) { return sync_file(file, SYS_fsync); }
int fdatasync(int file) { return sync_file(file, SYS_fdatasync); }

static int unlink_at(int at, const char *path, int flags) {
    enum kind kind = kind_of(path);
    if (kind == NOTHING) return syscall(SYS_unlinkat, at, path, flags);
    pthread_mutex_lock(&one_at_a_time);
    int result = syscall(SYS_unlinkat, at, path, flags);
    if (!result) note(UNLINK, named[kind], kind, 0, 0);
    pthread_mutex_unlock(&one_at_a_time);
    return result;
}
int unlink(const char *path) { return unlink_at(AT_FDCWD, path, 0); }
int unlinkat(int at, const char *path, int flags) { return unlink_at(at, path, flags); }

/* None of the files is renamed by the program; if one ever is, whoever reads the log is told. */
int rename(const char *from, const char *to) {
    int result = syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
    if (!result && (kind_of(from) != NOTHING || kind_of(to) != NOTHING)) note(RENAME, 0, 0, 0, 0);
    return result;
}

int clock_gettime(clockid_t clock, struct timespec *time) {
    int result = syscall(SYS_clock_gettime, clock, time);
    if (!result && control) {
        if (clock == CLOCK_REALTIME) time->tv_sec += control->clock_seconds;
        if (clock == CLOCK_MONOTONIC) time->tv_sec += control->timers_seconds;
    }
    return result;
}

/* Every name leads to this machine, once it leads anywhere. */
int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **found) {
    int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **) =
        (int (*)(const char *, const char *, const struct addrinfo *, struct addrinfo **))dlsym(RTLD_NEXT, "getaddrinfo");
    if (control && fails(&control->dns, DATABASE)) return EAI_AGAIN;
    return real(node && control ? "127.0.0.1" : node, service, hints, found);
}
