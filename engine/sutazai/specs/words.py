"""The words that the kernel and Docker have for things, and the grammars of what they take.

Sources: capabilities(7), signal(7), getrlimit(2), namespaces(7) as runc applies it to sysctls, the reference grammar of the
distribution project (`reference/regexp.go`), the platform grammar of containerd (`platforms.Parse`).
"""

import re


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


CAPABILITIES = _set(
    "AUDIT_CONTROL AUDIT_READ AUDIT_WRITE BLOCK_SUSPEND BPF CHECKPOINT_RESTORE CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER "
    "FSETID IPC_LOCK IPC_OWNER KILL LEASE LINUX_IMMUTABLE MAC_ADMIN MAC_OVERRIDE MKNOD NET_ADMIN NET_BIND_SERVICE "
    "NET_BROADCAST NET_RAW PERFMON SETFCAP SETGID SETPCAP SETUID SYSLOG SYS_ADMIN SYS_BOOT SYS_CHROOT SYS_MODULE SYS_NICE "
    "SYS_PACCT SYS_PTRACE SYS_RAWIO SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG WAKE_ALARM"
)

SIGNALS = _set(
    "ABRT ALRM BUS CHLD CLD CONT FPE HUP ILL INT IO IOT KILL PIPE POLL PROF PWR QUIT SEGV STKFLT STOP SYS TERM TRAP TSTP TTIN "
    "TTOU UNUSED URG USR1 USR2 VTALRM WINCH XCPU XFSZ RTMIN RTMAX"
) | {f"RTMIN+{n}" for n in range(1, 16)} | {f"RTMAX-{n}" for n in range(1, 15)}  # fmt: skip

ULIMITS = _set(
    "core cpu data fsize locks memlock msgqueue nice nofile nproc rss rtprio rttime sigpending stack as"
)

SYSCTLS = _set(
    "kernel.domainname kernel.msgmax kernel.msgmnb kernel.msgmni kernel.sem kernel.shm_rmid_forced kernel.shmall "
    "kernel.shmmax kernel.shmmni"
)
"""Beside all of `net.` and of `fs.mqueue.`: those that a container has for itself."""

LABELS = ("apparmor", "label", "no-new-privileges", "seccomp")
"""What a `security_opt` is about."""

PROFILE = re.compile(r"seccomp[=:](?!unconfined$|builtin$)([^{].*)")
"""The `security_opt` that names a profile in a file."""

PROPAGATIONS = ("private", "rprivate", "rshared", "rslave", "shared", "slave")

_HOST = r"(?:(?!-)[A-Za-z0-9-]+(?<!-)(?:\.(?!-)[A-Za-z0-9-]+(?<!-))*|\[[0-9A-Fa-f:]+\])(?::[0-9]+)?"
_PATH = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
IMAGE = re.compile(
    rf"(?:{_HOST}/)?{_PATH}(?:/{_PATH})*(?::[A-Za-z0-9_][A-Za-z0-9_.-]{{0,127}})?"
    r"(?:@[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,})?|(?:sha256:)?[0-9a-f]{64}"
)
"""`[HOST[:PORT]/]PATH[:TAG][@DIGEST]`, or the ID of an image."""

PLATFORM = re.compile(r"[A-Za-z0-9_.-]+(?:\([A-Za-z0-9_.-]*\))?(?:/[A-Za-z0-9_.-]+){0,2}")
SYSTEMS = _set("aix android darwin dragonfly freebsd illumos ios linux netbsd openbsd plan9 solaris windows")
MACHINES = _set(
    "386 amd64 arm arm64 loong64 mips mips64 mips64le mipsle ppc64 ppc64le riscv64 s390x wasm i386 x86_64 x86-64 aarch64 "
    "armhf armel"
)
HOSTNAME = re.compile(r"(?=.{1,64}$)[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_.])?")
"""RFC 1123, and underscores, which Docker takes and many a project has; 64 is the kernel's limit."""
CDI_DEVICE = re.compile(r"[A-Za-z][\w.-]*/[A-Za-z][\w.-]*=[\w.:-]+", re.ASCII)
MAC = re.compile(r"[0-9a-fA-F]{2}(?:[:-][0-9a-fA-F]{2}){5}")
PORTS = re.compile(r"([0-9]{1,5})(?:-([0-9]{1,5}))?(?:/(tcp|udp|sctp))?")
"""A port of a container, or a range of them."""

COMPOSE = _set(
    "annotations attach blkio_config cgroup cgroup_parent cpu_percent cpu_period cpu_quota cpu_rt_period cpu_rt_runtime "
    "cpu_shares cpuset credential_spec develop device_cgroup_rules dns_opt dns_search domainname driver_opts endpoint_mode "
    "generic_resources group_add gw_priority interface_name isolation mem_swappiness memswap_limit models oom_kill_disable "
    "oom_score_adj placement recursive runtime stdin_open storage_opt tty use_api_socket userns_mode uts "
    "additional_contexts cache_from cache_to entitlements no_cache provenance sbom ssh"
)
"""Keys of Compose for which there is nothing else to write: no other key is what was meant."""
