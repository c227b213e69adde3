"""Programs that attack the machine, or the verdict. Each one, and how it ends.

None computes what the tests ask for. `OUTSIDE` is a file of the user, beside the folder of the program.
"""

FORGERY = r"""
import os
for descriptor in range(64):
    try:
        os.write(descriptor, LINE * 3)
    except OSError:
        pass
def answer(number):
    return 0
"""
SYSTEM_CALL = """
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
if CALL < 0:
    raise PermissionError(ctypes.get_errno())
"""


def forgery(line: str) -> str:
    return FORGERY.replace("LINE", repr(line.encode() + b"\n"))


def system_call(call: str) -> str:
    return SYSTEM_CALL.replace("CALL", call)


HOSTILE = {
    # Time.
    "infinite loop": ("while True: pass", "timed_out"),
    "loop that ignores every signal": (
        """
import signal
for number in range(1, 65):
    try:
        signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError):
        pass
while True:
    pass
""",
        "timed_out",
    ),
    "loop that catches everything": (
        """
while True:
    try:
        while True:
            pass
    except BaseException:
        pass
""",
        "timed_out",
    ),
    "huge integer": ("9 ** 9 ** 9", "timed_out"),
    "endless regular expression": ("import re\nre.match('(a+)+$', 'a' * 64 + 'b')", "timed_out"),
    "endless output": ("while True: print('x' * 100_000)", "killed"),
    "raised limits": ("import resource\nresource.setrlimit(resource.RLIMIT_CPU, (900, 900))", "failed"),
    # Memory.
    "memory hog": ("kept = []\nwhile True: kept.append(bytearray(1 << 20))", "out_of_memory"),
    "zip bomb": (
        """
import zlib
packer = zlib.compressobj(1)
bomb = b"".join(packer.compress(bytes(1 << 20)) for _ in range(200)) + packer.flush()
zlib.decompress(bomb)
""",
        "out_of_memory",
    ),
    "thread bomb": (
        "import threading, time\nwhile True: threading.Thread(target=time.sleep, args=(9,), daemon=True).start()",
        "failed",
    ),
    "deep recursion": (
        "import sys\nsys.setrecursionlimit(1 << 30)\nx = []\nfor _ in range(100_000): x = [x]\nrepr(x)",
        "killed or failed",  # newer versions of Python notice
    ),
    "memory without a file name": ("import os\nos.memfd_create('hoard')", "forbidden"),
    "exception of 100 MB": ("raise ValueError('x' * 100_000_000)", "failed"),
    # Files.
    "disk filler": ("with open('full', 'wb') as file:\n    while True: file.write(bytes(1 << 16))", "failed"),
    "many small files": (
        "import itertools\nfor number in itertools.count(): open(str(number), 'w').close()",
        "killed",
    ),
    "files without names": (
        """
import os
kept = []
while True:
    kept.append(open('hidden', 'wb'))
    os.remove('hidden')
    kept[-1].write(bytes(1 << 16))
""",
        "failed",
    ),
    "nested folders": ("import os\nwhile True:\n    os.mkdir('x')\n    os.chdir('x')", "forbidden"),
    "symbolic link": ("import os\nos.symlink('OUTSIDE', 'link')\nprint(open('link').read())", "forbidden"),
    "hard link": ("import os\nos.link('OUTSIDE', 'link')\nprint(open('link').read())", "forbidden"),
    "way up": ("print(open('../canary').read())", "forbidden"),
    "passwords": ("print(open('/etc/passwd').read())", "forbidden"),
    "home folder": ("import os\nprint(os.listdir(os.path.expanduser('~root')))", "forbidden"),
    "file of the user": ("print(open('OUTSIDE').read())", "forbidden"),
    "file written outside": ("open('OUTSIDE', 'w').write('mine')", "forbidden"),
    "file truncated outside": ("import os\nos.open('OUTSIDE', os.O_RDONLY | os.O_TRUNC)", "forbidden"),
    "file removed outside": ("import os\nos.remove('OUTSIDE')", "forbidden"),
    "file moved outside": ("import os\nopen('x', 'w')\nos.replace('x', 'OUTSIDE')", "forbidden"),
    "rights changed outside": ("import os\nos.chmod('OUTSIDE', 0o777)", "forbidden"),
    "its folder removed": ("import os, shutil\nshutil.rmtree(os.getcwd())", "forbidden"),
    "Python's own files": ("import os\nopen(os.__file__, 'a').write('import evil')", "forbidden"),
    # Secrets.
    "environment": ("import os\nprint(dict(os.environ))", "failed"),
    "environment of the parent": ("import os\nprint(open(f'/proc/{os.getppid()}/environ').read())", "forbidden"),
    "memory of the parent": ("import os\nopen(f'/proc/{os.getppid()}/mem', 'rb')", "forbidden"),
    "memory of the parent, by its number": (
        system_call("libc.process_vm_readv(__import__('os').getppid(), 0, 0, 0, 0, 0)"),
        "forbidden",
    ),
    "debugger": (system_call("libc.ptrace(16, __import__('os').getppid(), 0, 0)"), "forbidden"),
    # Network.
    "TCP": ("import socket\nsocket.create_connection(('127.0.0.1', 80))", "forbidden"),
    "UDP": ("import socket\nsocket.socket(socket.AF_INET, socket.SOCK_DGRAM)", "forbidden"),
    "Unix socket": ("import socket\nsocket.socket(socket.AF_UNIX).connect('/run/docker.sock')", "forbidden"),
    "datagrams without a connection": (
        "import socket\nsocket.socketpair(type=socket.SOCK_DGRAM)[0].sendto(b'x', '/dev/log')",
        "forbidden",
    ),
    "name lookup": ("import socket\nsocket.getaddrinfo('example.org', 80)", "forbidden"),
    "download": ("import urllib.request\nurllib.request.urlopen('http://example.org')", "forbidden"),
    # Processes.
    "fork bomb": ("import os\nwhile True: os.fork()", "forbidden"),
    "daemon": (
        "import os\nif os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n        while True: pass",
        "forbidden",
    ),
    "command": ("import subprocess\nsubprocess.run(['id'])", "forbidden"),
    "shell": ("import os\nos.system('id')", "forbidden"),
    "other program in its place": ("import os, sys\nos.execv(sys.executable, [sys.executable, '-c', ''])", "forbidden"),
    "pool of processes": ("import multiprocessing\nmultiprocessing.Process(target=print).start()", "forbidden"),
    "killed parent": ("import os, signal\nos.kill(os.getppid(), signal.SIGKILL)", "forbidden"),
    "everybody killed": ("import os, signal\nos.kill(-1, signal.SIGKILL)", "forbidden"),
    "group killed": ("import os, signal\nos.killpg(0, signal.SIGKILL)", "forbidden"),
    "signals from a file": (
        "import fcntl, os\nfcntl.fcntl(os.pipe()[0], fcntl.F_SETOWN, os.getppid())",
        "forbidden",
    ),
    "new namespaces": (system_call("libc.unshare(0x10000000)"), "forbidden"),
    "mount": (system_call("libc.mount(b'none', b'/tmp', b'tmpfs', 0, None)"), "forbidden"),
    "io_uring": (system_call("libc.syscall(425, 8, None)"), "forbidden"),
    "crash": ("import ctypes\nctypes.string_at(0)", "killed"),
    "abort": ("import os\nos.abort()", "killed"),
    # The verdict.
    "input": ("print(input())", "failed"),
    "exit before the tests": ("import sys\nsys.exit(0)", "failed"),
    "hard exit before the tests": ("import os\nos._exit(0)", "failed"),
    "exit within the tests": ("import sys\ndef answer(number): sys.exit(0)", "failed"),
    "hard exit within the tests": ("import os\ndef answer(number): os._exit(0)", "failed"),
    "function that runs at the exit": (
        "import atexit, os\natexit.register(os._exit, 0)\ndef answer(number): raise SystemExit(0)",
        "failed",
    ),
    "loops of the tests ended": ("def answer(number): raise StopIteration", "failed"),
    "equal to everything": (
        """
class Equal(int):
    def __eq__(self, other): return True
    __ne__ = __lt__ = __gt__ = __hash__ = None
def answer(number): return Equal(1)
""",
        "failed",
    ),
    "object equal to everything": (
        "class Equal:\n    def __eq__(self, other): return True\ndef answer(number): return Equal()",
        "failed",
    ),
    "changed built-in functions": (
        """
import builtins
builtins.all = builtins.map = builtins.AssertionError = builtins.isinstance = lambda *arguments: True
def answer(number): return 0
""",
        "failed",
    ),
    "tests of its own": (
        "def check(candidate): pass\nall = lambda items: True\ndef answer(number): return 0",
        "failed",
    ),
    "changed JSON": (
        "import json\njson.dumps = lambda value: '{\"value\": true}'\ndef answer(number): return 0",
        "failed",
    ),
    "frames and objects searched": (
        """
import gc, sys
def answer(number):
    frame, seen = sys._getframe(), []
    while frame:
        seen += [repr(value)[:10_000] for value in [*frame.f_locals.values(), *frame.f_globals.values()]]
        frame = frame.f_back
    seen += [repr(thing)[:10_000] for thing in gc.get_objects()[:2_000]]
    print([text for text in seen if "SECRET" + "_TEST" in text or "9182" + "73645" in text])
    return 0
""",
        "failed",
    ),
    "marker of success printed": ('print(\'{"status": "passed", "detail": ""}\')\nimport os\nos._exit(0)', "failed"),
    "marker of success in every descriptor": (forgery('{"status": "passed", "detail": ""}'), "failed"),
    "forged answers": (forgery('{"value": true}'), "failed"),
    "forged names": (
        forgery(
            '{"value": {"dict": [["all", {"object": 0}], ["__builtins__", {"dict": []}], ["answer", {"object": 0}]]}}'
        ),
        "failed",
    ),
    "forged protection error": (forgery('{"status": "unprotected", "detail": ""}'), "failed"),
    "answer of no end": (
        """
import os
def answer(number):
    while True:
        for descriptor in range(3, 64):
            try:
                os.write(descriptor, bytes(1 << 16))
            except OSError:
                pass
""",
        "failed or timed_out",
    ),
    "its own grader": (
        """
from critique_graph.sandbox import judge, records
judge.judge = lambda **job: {"status": "passed", "detail": ""}
def answer(number): return 0
""",
        "forbidden or failed",  # installed beside Python's own modules, it can be read
    ),
}
