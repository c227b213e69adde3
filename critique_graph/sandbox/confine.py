"""What a process gives up for good before it runs the program of a model: files, calls of the kernel, memory and time.

Three means of the Linux kernel do it. None needs root, and all work inside containers:

- resource limits bound CPU time, memory, the size of a file and the number of open files;
- Landlock (Linux 5.13) leaves two parts of the file system: Python's own files to read, and one folder to write to;
- seccomp leaves the calls of `_ALLOWED`: no other process, no network, and no way to raise a limit again.

The processes that `run` starts import this module without the rest of the package, so it needs no other library than
Python's.
"""

import ctypes
import errno
import os
import resource
import signal
import struct
import sys
import sysconfig
from collections.abc import Iterator, Sequence

_OPEN_FILES = 64
_SET_PARENT_DEATH_SIGNAL, _SET_DUMPABLE, _SET_NO_NEW_PRIVILEGES = 1, 4, 38

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
"""Landlock's system calls; their numbers are the same on every architecture."""
_RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15}
"""Number of rights that a version of Landlock knows; versions from 5 on know 16."""
_WRITE_FILE, _READ_FILE, _READ_FOLDER, _REMOVE_FILE, _MAKE_FILE, _TRUNCATE = (1 << bit for bit in (1, 2, 3, 5, 8, 14))
_READ = _READ_FILE | _READ_FOLDER
_WRITE = _READ | _WRITE_FILE | _REMOVE_FILE | _MAKE_FILE | _TRUNCATE
"""Rights in the folder: no folders, links, sockets or pipes in it, so that it can be measured and removed."""
_READABLE = (
    *("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/etc/ld.so.cache"),  # libraries that Python's modules load
    *("/usr/share/zoneinfo", "/dev/urandom"),
)

_ALLOW, _END, _REFUSE = 0x7FFF0000, 0x80000000, 0x00050000
_DIFFERENT, _EQUAL, _MASKED = 1, 4, 7
_ON_OTHER_ARCHITECTURE = 2

_ALLOWED = """
    read write readv writev pread64 pwrite64 lseek sendfile copy_file_range close close_range dup dup2 dup3 pipe pipe2
    fstat stat lstat newfstatat statx access faccessat faccessat2 readlink readlinkat getdents64 getcwd chdir umask
    ftruncate fsync fdatasync flock unlink unlinkat rename renameat renameat2 brk mmap munmap mprotect mremap madvise
    msync membarrier futex futex_waitv set_robust_list get_robust_list rseq set_tid_address sched_yield
    sched_getaffinity getcpu rt_sigaction rt_sigprocmask rt_sigreturn rt_sigpending rt_sigtimedwait rt_sigsuspend
    sigaltstack pause alarm setitimer getitimer getpid getppid gettid getuid geteuid getgid getegid getgroups getpgrp
    getpgid getsid uname sysinfo getrlimit getrusage times time gettimeofday clock_gettime clock_getres clock_nanosleep
    nanosleep getrandom poll ppoll select pselect6 epoll_create epoll_create1 epoll_ctl epoll_wait epoll_pwait
    epoll_pwait2 eventfd2 recvfrom recvmsg sendmsg shutdown getsockopt setsockopt getsockname getpeername
    restart_syscall exit exit_group
"""
"""What an interpreter needs that runs one program with threads. Every other call fails with `PermissionError`."""
_ENDING = """
    socket connect bind listen fork vfork execve execveat ptrace process_vm_readv process_vm_writev pidfd_open
    pidfd_send_signal rt_sigqueueinfo rt_tgsigqueueinfo tkill mount umount2 unshare setns pivot_root chroot bpf
    perf_event_open userfaultfd io_uring_setup keyctl add_key init_module finit_module kexec_load reboot
"""
"""What no honest program tries: it ends the process at once, whatever the program catches."""

_NEW_THREAD = 0x10000
_UNIX, _STREAM, _SOCKET_TYPE = 1, 1, 0xF
_HARMLESS_REQUESTS = {
    "ioctl": (0x5401, 0x5413, 0x5421, 0x5450, 0x5451),  # whether it is a terminal, its size, blocking, inheritance
    "fcntl": (0, 1, 2, 3, 4, 5, 6, 7, 1030, 1032),  # copies, flags, locks; an owner of a file would get its signals
}
"""Requests by call, as numbers: those that change nothing outside of this process."""


class _Condition(ctypes.Structure):
    """What the argument with a number must be, for a rule to apply; see seccomp_rule_add(3)."""

    _fields_ = (
        ("argument", ctypes.c_uint),
        ("comparison", ctypes.c_int),
        ("first", ctypes.c_uint64),
        ("second", ctypes.c_uint64),
    )


def confine(*, cpu_seconds: int, memory_bytes: int, file_bytes: int, folder: str) -> None:
    """Confine this process, which has one thread, for good.

    Args:
        cpu_seconds: CPU time after which the kernel ends the process; one second later, whatever it ignores.
        memory_bytes: Size of the address space.
        file_bytes: Size of one file.
        folder: The one folder in which files can be written.

    Raises:
        OSError: The kernel does not allow a protection, or libseccomp is missing. The process must then run nothing.
    """
    libc, libseccomp = ctypes.CDLL(None, use_errno=True), _load_libseccomp()
    _done(libc.prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0), "prctl")
    _done(libc.prctl(_SET_DUMPABLE, 0, 0, 0, 0), "prctl")  # no other process can read this one's memory
    _done(libc.prctl(_SET_NO_NEW_PRIVILEGES, 1, 0, 0, 0), "prctl")
    for kind, most in (
        (resource.RLIMIT_CPU, cpu_seconds + 1),
        (resource.RLIMIT_AS, memory_bytes),
        (resource.RLIMIT_FSIZE, file_bytes),
        (resource.RLIMIT_NOFILE, _OPEN_FILES),
        (resource.RLIMIT_CORE, 0),
    ):
        hard = resource.getrlimit(kind)[1]
        lowest = most if hard == resource.RLIM_INFINITY else min(most, hard)
        # The first CPU limit only sends a signal, which says what ended the process; who ignores it is killed.
        resource.setrlimit(kind, (min(cpu_seconds, lowest) if kind == resource.RLIMIT_CPU else lowest, lowest))
    _confine_files(libc, folder)
    _confine_calls(libseccomp)


def _confine_files(libc: ctypes.CDLL, folder: str) -> None:
    version = _done(
        libc.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), 1),
        "Landlock (Linux 5.13 or newer, switched on when it starts)",
    )
    handled = (1 << _RIGHTS.get(version, 16)) - 1
    attributes = struct.pack("=Q", handled)
    rules = _done(libc.syscall(_CREATE_RULESET, attributes, ctypes.c_size_t(len(attributes)), 0), "Landlock")
    python = {f"{sys.base_prefix}/lib", *(sysconfig.get_path(name) for name in ("stdlib", "platstdlib"))}
    rights_by_path = dict.fromkeys((*_READABLE, *sorted(python)), _READ)
    rights_by_path |= {folder: _WRITE, "/dev/null": _READ | _WRITE_FILE}
    for path, rights in rights_by_path.items():
        try:
            place = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        if not os.path.isdir(path):
            rights &= ~_READ_FOLDER
        rule = struct.pack("=Qi", rights & handled, place)
        _done(libc.syscall(_ADD_RULE, rules, 1, rule, 0), f"Landlock, for {path}")
        os.close(place)
    _done(libc.syscall(_RESTRICT_SELF, rules, 0), "Landlock")
    os.close(rules)


def _confine_calls(libseccomp: ctypes.CDLL) -> None:
    context = ctypes.c_void_p(libseccomp.seccomp_init(_REFUSE | errno.EPERM))
    _done(libseccomp.seccomp_attr_set(context, _ON_OTHER_ARCHITECTURE, _END), "seccomp")
    for call, action, conditions in _rules():
        number = libseccomp.seccomp_syscall_resolve_name(call.encode())
        if number < 0:  # unknown to this architecture, or to this libseccomp, whose filter then refuses it
            continue
        array = (_Condition * len(conditions))(*(_Condition(*condition) for condition in conditions))
        added = libseccomp.seccomp_rule_add_array(context, action, number, len(conditions), array)
        _done(added, f"seccomp, for {call}")
    _done(libseccomp.seccomp_load(context), "seccomp")
    libseccomp.seccomp_release(context)


def _rules() -> Iterator[tuple[str, int, Sequence[tuple[int, ...]]]]:
    """Give calls, what happens to each, and the conditions on its arguments under which it does."""
    yield from ((call, _ALLOW, []) for call in _ALLOWED.split())
    yield from ((call, _END, []) for call in _ENDING.split())
    yield "clone", _ALLOW, [(0, _MASKED, _NEW_THREAD, _NEW_THREAD)]
    yield "clone", _END, [(0, _MASKED, _NEW_THREAD, 0)]
    yield "clone3", _REFUSE | errno.ENOSYS, []  # its flags cannot be seen from here; the C library then calls clone
    for call in ("kill", "tgkill"):
        yield call, _ALLOW, [(0, _EQUAL, os.getpid())]
        yield call, _END, [(0, _DIFFERENT, os.getpid())]
    yield "prlimit64", _ALLOW, [(2, _EQUAL, 0)]  # reads limits, sets none
    yield "socketpair", _ALLOW, [(0, _EQUAL, _UNIX), (1, _MASKED, _SOCKET_TYPE, _STREAM)]  # how an event loop wakes
    yield "sendto", _ALLOW, [(4, _EQUAL, 0)]  # to the other end, not to an address
    yield "openat", _ALLOW, [(2, _MASKED, os.O_ACCMODE, os.O_WRONLY)]
    yield "openat", _ALLOW, [(2, _MASKED, os.O_ACCMODE, os.O_RDWR)]
    # To open a file for reading, and truncate it, is no writing for the first versions of Landlock.
    yield "openat", _ALLOW, [(2, _MASKED, os.O_ACCMODE | os.O_TRUNC, os.O_RDONLY)]
    for call, requests in _HARMLESS_REQUESTS.items():
        yield from ((call, _ALLOW, [(1, _EQUAL, request)]) for request in requests)


def _load_libseccomp() -> ctypes.CDLL:
    try:
        library = ctypes.CDLL("libseccomp.so.2")
    except OSError as error:
        raise OSError(f"libseccomp (apt install libseccomp2): {error}") from error
    library.seccomp_init.restype = ctypes.c_void_p
    library.seccomp_init.argtypes = [ctypes.c_uint32]
    library.seccomp_attr_set.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_uint32]
    pointer = ctypes.POINTER(_Condition)
    library.seccomp_rule_add_array.argtypes = [ctypes.c_void_p, ctypes.c_uint32, ctypes.c_int, ctypes.c_uint, pointer]
    library.seccomp_load.argtypes = library.seccomp_release.argtypes = [ctypes.c_void_p]
    return library


def _done(result: int, means: str) -> int:
    """Give the result of a call, or raise `OSError` if it failed; libseccomp returns the negative error itself."""
    if result < 0:
        code = ctypes.get_errno() if result == -1 else -result
        raise OSError(code, f"{means}: {os.strerror(code)}")
    return result
