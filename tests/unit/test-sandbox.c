/* What each profile takes away, tried in a child process that has entered it. */

#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/work/sandbox.h"
#include "protocol/cleanup.h"

/* Status of a child in which something that the test relies on went wrong. */
#define STATUS_BROKEN 255

/* Does one thing: 0, or the errno with which it failed. */
typedef int (*deed)(void);

static int try_read_system_file(void) {
	int fd = open("/etc/passwd", O_RDONLY | O_CLOEXEC);

	return fd < 0 ? errno : (close(fd), 0);
}

/* The program itself: a file that may be read, outside the system's directories. */
static char own_path[4096];

static int try_read_own_file(void) {
	int fd = open(own_path, O_RDONLY | O_CLOEXEC);

	return fd < 0 ? errno : (close(fd), 0);
}

/* Files that were open before. */
static int file = -1;
static int memory_file = -1;

static int try_read_open_file(void) {
	char byte;

	return pread(file, &byte, 1, 0) < 0 ? errno : 0;
}

static int try_fill_memory_file(void) {
	return write(memory_file, "x", 1) == 1 && fcntl(memory_file, F_ADD_SEALS, F_SEAL_SHRINK) == 0
		? 0
		: errno;
}

static int try_write_file(void) {
	int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);

	return fd < 0 ? errno : (close(fd), 0);
}

static int try_make_file(void) {
	int fd = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	return fd < 0 ? errno : (close(fd), 0);
}

static int try_internet(void) {
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	return fd < 0 ? errno : (close(fd), 0);
}

static int try_unix_socket(void) {
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	return fd < 0 ? errno : (close(fd), 0);
}

/* A connection that stood before, and a socket that has none yet. */
static int connection[2] = {-1, -1};
static int unconnected = -1;

static int try_talk(void) {
	struct pollfd wait = {.fd = connection[1], .events = POLLIN};
	char byte = 'x';
	struct iovec part = {&byte, 1};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};

	return sendmsg(connection[0], &message, 0) < 0 || poll(&wait, 1, 0) < 0 ||
			       recvmsg(connection[1], &message, 0) < 0
		       ? errno
		       : 0;
}

/* To a name that nobody has: refused by whoever listens there, where it is not forbidden. */
static int try_connect(void) {
	struct sockaddr_un nobody = {.sun_family = AF_UNIX, .sun_path = "/nobody"};

	if (connect(unconnected, (struct sockaddr *) &nobody, sizeof(nobody)) == 0)
		return 0;
	return errno == ENOENT ? 0 : errno;
}

static int try_listen(void) {
	_cleanup_(fd_closep) int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	/* The kernel picks a port for a socket without one. */
	return fd < 0 || listen(fd, 1) < 0 ? errno : 0;
}

static int try_fork(void) {
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	return pid < 0 ? errno : (waitpid(pid, NULL, 0), 0);
}

static void *nothing(void *argument) {
	return argument;
}

static int try_thread(void) {
	pthread_t thread;
	int r = pthread_create(&thread, NULL, nothing, NULL);

	return r ? r : pthread_join(thread, NULL);
}

static int try_code(void) {
	void *code = mmap(
		NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return code == MAP_FAILED ? errno : munmap(code, 4096);
}

static int try_memory(void) {
	void *memory =
		mmap(NULL, 1 << 24, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return memory == MAP_FAILED ? errno : munmap(memory, 1 << 24);
}

static int try_much_memory(void) {
	void *memory = mmap(NULL, (size_t) 1 << 29, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return memory == MAP_FAILED ? errno : munmap(memory, (size_t) 1 << 29);
}

static int try_signal_parent(void) {
	return kill(getppid(), 0) < 0 ? errno : 0;
}

static int try_raise(void) {
	(void) signal(SIGUSR1, SIG_IGN);
	return raise(SIGUSR1) ? errno : 0;
}

/* The descriptor of a terminal that was open before. */
static int terminal = -1;

static int try_terminal_modes(void) {
	struct termios modes;

	return tcgetattr(terminal, &modes) < 0 || tcsetattr(terminal, TCSANOW, &modes) < 0 ||
			       tcflush(terminal, TCIFLUSH) < 0
		       ? errno
		       : 0;
}

/* TIOCSTI puts a byte into the input, as if the person had typed it. */
static int try_terminal_typing(void) {
	return ioctl(terminal, TIOCSTI, "x") < 0 ? errno : 0;
}

static int try_exec(void) {
	char *argv[] = {own_path, NULL};

	(void) execv("/bin/true", argv);
	return errno;
}

static int try_trace(void) {
	return ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0 ? errno : 0;
}

/* Runs the deed in a child inside the sandbox. Returns the status of waitpid. */
static int status_in(enum sandbox sandbox, deed try) {
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || sandbox_enter(sandbox) < 0)
			_exit(STATUS_BROKEN);
		_exit(try());
	}
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static int errno_in(enum sandbox sandbox, deed try) {
	int status = status_in(sandbox, try);

	assert_true(WIFEXITED(status));
	assert_int_not_equal(WEXITSTATUS(status), STATUS_BROKEN);
	return WEXITSTATUS(status);
}

static bool is_killed_in(enum sandbox sandbox, deed try) {
	int status = status_in(sandbox, try);

	return WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS;
}

static const enum sandbox closed[] = {
	SANDBOX_KDF, SANDBOX_ASK_TERMINAL, SANDBOX_NET, SANDBOX_IMPORT, SANDBOX_KEYRING,
	SANDBOX_SEAL, SANDBOX_INSPECT, SANDBOX_SIGN, SANDBOX_WATCH};

static void test_sandboxes_of_kdf_and_sign_only_compute(void **state) {
	static const enum sandbox both[] = {SANDBOX_KDF, SANDBOX_SIGN};

	(void) state;
	for (size_t i = 0; i < sizeof(both) / sizeof(both[0]); i++) {
		assert_int_equal(errno_in(both[i], try_memory), 0);
		assert_int_equal(errno_in(both[i], try_raise), 0);
		assert_int_equal(errno_in(both[i], try_read_system_file), EPERM);
		assert_int_equal(errno_in(both[i], try_read_open_file), EPERM);
		assert_int_equal(errno_in(both[i], try_write_file), EPERM);
		assert_int_equal(errno_in(both[i], try_make_file), EPERM);
		assert_int_equal(errno_in(both[i], try_internet), EPERM);
		assert_int_equal(errno_in(both[i], try_unix_socket), EPERM);
		assert_int_equal(errno_in(both[i], try_terminal_modes), EPERM);
		assert_int_equal(errno_in(both[i], try_thread), EPERM);
		assert_int_equal(errno_in(both[i], try_code), EPERM);
	}
}

static void test_sandbox_of_ask_only_speaks_to_its_terminal(void **state) {
	(void) state;
	assert_int_equal(errno_in(SANDBOX_ASK_TERMINAL, try_terminal_modes), 0);
	assert_int_equal(errno_in(SANDBOX_ASK_TERMINAL, try_raise), 0);
	assert_int_equal(errno_in(SANDBOX_ASK_TERMINAL, try_terminal_typing), EPERM);
	assert_int_equal(errno_in(SANDBOX_ASK_TERMINAL, try_read_system_file), EPERM);
	assert_int_equal(errno_in(SANDBOX_ASK_TERMINAL, try_internet), EPERM);
	assert_int_equal(errno_in(SANDBOX_ASK_TERMINAL, try_unix_socket), EPERM);
	assert_int_equal(errno_in(SANDBOX_ASK_TERMINAL, try_thread), EPERM);
	assert_int_equal(errno_in(SANDBOX_ASK_TERMINAL, try_code), EPERM);
}

static void test_sandbox_of_net_reads_the_system_and_connects(void **state) {
	(void) state;
	assert_int_equal(errno_in(SANDBOX_NET, try_read_system_file), 0);
	assert_int_equal(errno_in(SANDBOX_NET, try_internet), 0);
	assert_int_equal(errno_in(SANDBOX_NET, try_thread), 0);
	assert_int_equal(errno_in(SANDBOX_NET, try_write_file), EPERM);
	assert_int_equal(errno_in(SANDBOX_NET, try_make_file), EPERM);
	assert_int_equal(errno_in(SANDBOX_NET, try_unix_socket), EPERM);
	assert_int_equal(errno_in(SANDBOX_NET, try_listen), EPERM);
}

static void test_sandbox_of_keyring_only_speaks_on_this_machine(void **state) {
	(void) state;
	assert_int_equal(errno_in(SANDBOX_KEYRING, try_unix_socket), 0);
	assert_int_equal(errno_in(SANDBOX_KEYRING, try_read_system_file), 0);
	assert_int_equal(errno_in(SANDBOX_KEYRING, try_thread), 0);
	assert_int_equal(errno_in(SANDBOX_KEYRING, try_internet), EPERM);
	assert_int_equal(errno_in(SANDBOX_KEYRING, try_listen), EPERM);
	assert_int_equal(errno_in(SANDBOX_KEYRING, try_write_file), EPERM);
	assert_int_equal(errno_in(SANDBOX_KEYRING, try_make_file), EPERM);
	assert_int_equal(errno_in(SANDBOX_KEYRING, try_code), EPERM);
}

/* By Landlock alone, so only where the kernel has it. */
static void test_sandboxes_read_no_file_of_the_user(void **state) {
	(void) state;
	if (syscall(SYS_landlock_create_ruleset, NULL, 0, 1u) < 1)
		skip();
	assert_int_equal(errno_in(SANDBOX_NET, try_read_own_file), EACCES);
	assert_int_equal(errno_in(SANDBOX_KEYRING, try_read_own_file), EACCES);
}

static void test_sandboxes_start_no_process_and_signal_none(void **state) {
	(void) state;
	for (size_t i = 0; i < sizeof(closed) / sizeof(closed[0]); i++) {
		assert_int_equal(errno_in(closed[i], try_fork), EPERM);
		assert_int_equal(errno_in(closed[i], try_signal_parent), EPERM);
	}
}

static void test_sandboxes_end_who_takes_hold_of_others(void **state) {
	(void) state;
	for (size_t i = 0; i < sizeof(closed) / sizeof(closed[0]); i++) {
		assert_true(is_killed_in(closed[i], try_exec));
		assert_true(is_killed_in(closed[i], try_trace));
	}
}

static void test_sandbox_of_a_program_forbids_only_to_take_hold_of_others(void **state) {
	(void) state;
	assert_int_equal(errno_in(SANDBOX_ASK_PROGRAM, try_exec), 0);
	assert_int_equal(errno_in(SANDBOX_ASK_PROGRAM, try_fork), 0);
	assert_int_equal(errno_in(SANDBOX_ASK_PROGRAM, try_thread), 0);
	assert_int_equal(errno_in(SANDBOX_ASK_PROGRAM, try_unix_socket), 0);
	assert_int_equal(errno_in(SANDBOX_ASK_PROGRAM, try_write_file), 0);
	assert_int_equal(errno_in(SANDBOX_ASK_PROGRAM, try_trace), EPERM);
}

static void test_sandbox_of_import_only_reads_what_is_open(void **state) {
	(void) state;
	assert_int_equal(errno_in(SANDBOX_IMPORT, try_read_open_file), 0);
	assert_int_equal(errno_in(SANDBOX_IMPORT, try_memory), 0);
	assert_int_equal(errno_in(SANDBOX_IMPORT, try_raise), 0);
	assert_int_equal(errno_in(SANDBOX_IMPORT, try_read_system_file), EPERM);
	assert_int_equal(errno_in(SANDBOX_IMPORT, try_write_file), EPERM);
	assert_int_equal(errno_in(SANDBOX_IMPORT, try_make_file), EPERM);
	assert_int_equal(errno_in(SANDBOX_IMPORT, try_internet), EPERM);
	assert_int_equal(errno_in(SANDBOX_IMPORT, try_unix_socket), EPERM);
	assert_int_equal(errno_in(SANDBOX_IMPORT, try_terminal_modes), EPERM);
	assert_int_equal(errno_in(SANDBOX_IMPORT, try_thread), EPERM);
	assert_int_equal(errno_in(SANDBOX_IMPORT, try_code), EPERM);
}

static void test_sandboxes_of_seal_and_inspect_only_use_what_is_open(void **state) {
	static const enum sandbox both[] = {SANDBOX_SEAL, SANDBOX_INSPECT};

	(void) state;
	for (size_t i = 0; i < sizeof(both) / sizeof(both[0]); i++) {
		assert_int_equal(errno_in(both[i], try_read_open_file), 0);
		assert_int_equal(errno_in(both[i], try_fill_memory_file), 0);
		assert_int_equal(errno_in(both[i], try_memory), 0);
		assert_int_equal(errno_in(both[i], try_raise), 0);
		assert_int_equal(errno_in(both[i], try_read_system_file), EPERM);
		assert_int_equal(errno_in(both[i], try_write_file), EPERM);
		assert_int_equal(errno_in(both[i], try_make_file), EPERM);
		assert_int_equal(errno_in(both[i], try_internet), EPERM);
		assert_int_equal(errno_in(both[i], try_unix_socket), EPERM);
		assert_int_equal(errno_in(both[i], try_terminal_modes), EPERM);
		assert_int_equal(errno_in(both[i], try_thread), EPERM);
		assert_int_equal(errno_in(both[i], try_code), EPERM);
	}
}

static void test_sandbox_of_inspect_has_only_so_much_memory(void **state) {
	(void) state;
	assert_int_equal(errno_in(SANDBOX_INSPECT, try_much_memory), ENOMEM);
	assert_int_equal(errno_in(SANDBOX_SEAL, try_much_memory), 0);
}

static void test_sandbox_of_watch_only_speaks_over_what_is_connected(void **state) {
	(void) state;
	assert_int_equal(errno_in(SANDBOX_WATCH, try_talk), 0);
	assert_int_equal(errno_in(SANDBOX_WATCH, try_memory), 0);
	assert_int_equal(errno_in(SANDBOX_WATCH, try_raise), 0);
	assert_int_equal(errno_in(SANDBOX_WATCH, try_connect), EPERM);
	assert_int_equal(errno_in(SANDBOX_WATCH, try_unix_socket), EPERM);
	assert_int_equal(errno_in(SANDBOX_WATCH, try_internet), EPERM);
	assert_int_equal(errno_in(SANDBOX_WATCH, try_read_system_file), EPERM);
	assert_int_equal(errno_in(SANDBOX_WATCH, try_write_file), EPERM);
	assert_int_equal(errno_in(SANDBOX_WATCH, try_make_file), EPERM);
	assert_int_equal(errno_in(SANDBOX_WATCH, try_terminal_modes), EPERM);
	assert_int_equal(errno_in(SANDBOX_WATCH, try_thread), EPERM);
	assert_int_equal(errno_in(SANDBOX_WATCH, try_code), EPERM);
}

/* Where nothing is closed the deeds must work, or the tests above say nothing. */
static void test_without_a_sandbox_all_of_this_works(void **state) {
	static const deed deeds[] = {try_read_system_file, try_read_own_file, try_write_file,
		try_make_file, try_internet, try_unix_socket, try_listen, try_fork, try_thread,
		try_code, try_memory, try_signal_parent, try_raise, try_terminal_modes,
		try_read_open_file, try_talk, try_connect, try_much_memory,
		try_fill_memory_file};

	(void) state;
	for (size_t i = 0; i < sizeof(deeds) / sizeof(deeds[0]); i++) {
		int status;
		pid_t pid = fork();
		if (pid == 0)
			_exit(deeds[i]());
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(status, 0);
	}
}

/* A sanitized build has no sandbox, and valgrind knows no seccomp. */
static bool sandbox_is_possible(void) {
	if (!SANDBOX_IS_BUILT)
		return false;
	return syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, NULL) == 0 || errno != ENOSYS;
}

static int open_terminal(void **state) {
	(void) state;
	int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);

	/* The master stays open as long as the program runs, or the terminal hangs up. */
	if (master < 0 || grantpt(master) < 0 || unlockpt(master) < 0)
		return -1;
	terminal = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (terminal < 0 || !realpath("/proc/self/exe", own_path))
		return -1;
	file = open(own_path, O_RDONLY | O_CLOEXEC);
	memory_file = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	unconnected = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (file < 0 || memory_file < 0 || unconnected < 0)
		return -1;
	return socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, connection);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_without_a_sandbox_all_of_this_works),
		cmocka_unit_test(test_sandboxes_of_kdf_and_sign_only_compute),
		cmocka_unit_test(test_sandbox_of_ask_only_speaks_to_its_terminal),
		cmocka_unit_test(test_sandbox_of_net_reads_the_system_and_connects),
		cmocka_unit_test(test_sandbox_of_keyring_only_speaks_on_this_machine),
		cmocka_unit_test(test_sandboxes_read_no_file_of_the_user),
		cmocka_unit_test(test_sandbox_of_import_only_reads_what_is_open),
		cmocka_unit_test(test_sandboxes_of_seal_and_inspect_only_use_what_is_open),
		cmocka_unit_test(test_sandbox_of_inspect_has_only_so_much_memory),
		cmocka_unit_test(test_sandbox_of_watch_only_speaks_over_what_is_connected),
		cmocka_unit_test(test_sandboxes_start_no_process_and_signal_none),
		cmocka_unit_test(test_sandboxes_end_who_takes_hold_of_others),
		cmocka_unit_test(test_sandbox_of_a_program_forbids_only_to_take_hold_of_others),
	};

	if (!sandbox_is_possible())
		return 77; /* How a test tells Meson that it was skipped. */
	return cmocka_run_group_tests(tests, open_terminal, NULL);
}
