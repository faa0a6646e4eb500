/* fsync and fdatasync that take as long as a file says, and note each call: "<pid> <function> <file>".
 *
 * Loaded with LD_PRELOAD. Made without any header, so that a compiler alone is enough.
 */

struct timespec {
    long seconds, nanoseconds;
};

extern void *dlsym(void *handle, const char *symbol);
extern char *getenv(const char *name);
extern int nanosleep(const struct timespec *wished, struct timespec *left);
extern int open(const char *path, int flags, ...);
extern long read(int fd, void *buffer, unsigned long size);
extern long write(int fd, const void *buffer, unsigned long size);
extern int close(int fd);
extern int getpid(void);
extern long readlink(const char *path, char *buffer, unsigned long size);
extern int snprintf(char *buffer, unsigned long size, const char *format, ...);

#define NEXT ((void *)-1L)
#define READ_ONLY 0
#define APPEND 02001 /* O_WRONLY | O_APPEND */

static long milliseconds(const char *folder)
{
    char path[4096], text[32] = "";
    long found = 0;
    int fd, i;

    snprintf(path, sizeof path, "%s/milliseconds", folder);
    fd = open(path, READ_ONLY);
    if (fd < 0)
        return 0;
    read(fd, text, sizeof text - 1);
    close(fd);
    for (i = 0; text[i] >= '0' && text[i] <= '9'; i++)
        found = 10 * found + text[i] - '0';
    return found;
}

static void note(const char *folder, const char *name, int fd, const char *when)
{
    char path[4096], link[64], file[4096] = "", line[8192];
    int calls, size;

    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    readlink(link, file, sizeof file - 1);
    size = snprintf(line, sizeof line, "%d %s %s %s\n", getpid(), name, when, file);
    snprintf(path, sizeof path, "%s/calls", folder);
    calls = open(path, APPEND);
    if (calls >= 0) {
        write(calls, line, size);
        close(calls);
    }
}

static int slowly(const char *name, int fd)
{
    int (*real)(int) = (int (*)(int))dlsym(NEXT, name);
    const char *folder = getenv("SLOW_DISK");
    struct timespec left;
    long wait;
    int result;

    if (folder == 0)
        return real(fd);
    note(folder, name, fd, "begins");
    /* The file is looked at again and again: a disk that stalls may come back. */
    for (wait = 0; wait < milliseconds(folder); wait += 20) {
        left.seconds = 0;
        left.nanoseconds = 20 * 1000000L;
        while (nanosleep(&left, &left) != 0)
            ; /* a disk heeds no signal */
    }
    result = real(fd);
    note(folder, name, fd, "ended");
    return result;
}

int fsync(int fd) { return slowly("fsync", fd); }

int fdatasync(int fd) { return slowly("fdatasync", fd); }
