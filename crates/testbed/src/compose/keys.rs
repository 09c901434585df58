//! The keys that Compose knows, and what becomes of each: used, of no use, or refused.
//!
//! A key that is in none of the tables is a mistake. Tables are kept complete, so that a mistake
//! can be told from something that is not supported.

/// What becomes of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    /// It is read.
    Read,
    /// It says how the container is made, which every file does; there is no container.
    Container,
    /// It makes no difference to a local process, or none that is worth refusing the file; named
    /// in a warning with this reason.
    None(&'static str),
    /// It would change what the system does, and is not carried out; the text is what to do.
    Refused(&'static str),
}

/// Names of keys with what becomes of them.
pub(super) type Keys = [(&'static str, Use)];

/// What becomes of `key`, if Compose knows it at all.
pub(super) fn find(keys: &Keys, key: &str) -> Option<Use> {
    keys.iter()
        .find(|(name, _)| *name == key)
        .map(|(_, found)| *found)
}

const UNLIMITED: Use = Use::None("processes are not limited");
const UNPRIVILEGED: Use = Use::None("processes run as the user who starts the system");
const SWARM: Use = Use::None("only Swarm uses it");
const NO_CONTAINER: Use = Use::None("there is no container");

const RIGHTS: Use =
    Use::Refused("processes have the rights of the user who starts the system; remove the key");
const NAMES: Use = Use::Refused(
    "service names are replaced by addresses, all others are resolved by this machine; write the address or the service's name where it is used",
);
const OWN_ADDRESS: Use =
    Use::Refused("every process has an address of its own on this machine; remove the key");
const KERNEL: Use = Use::Refused(
    "processes share this machine's kernel and its settings; set it for this machine, and remove the key",
);
const FILES_IN: Use =
    Use::Refused("mount the file with `volumes`, or pass the value with `env_file`");
const HOOKS: Use = Use::Refused("run it as a service of its own, with `depends_on`");
const NOT_A_PROCESS: Use =
    Use::Refused("the testbed runs processes only; leave the service out with `profiles`");

/// Keys of the file.
pub(super) const FILE: &Keys = &[
    ("name", Use::Read),
    ("services", Use::Read),
    ("volumes", Use::Read),
    (
        "networks",
        Use::None("all processes of a system reach each other"),
    ),
    ("version", Use::None("Compose does not use it either")),
    ("configs", FILES_IN),
    ("secrets", FILES_IN),
    (
        "include",
        Use::Refused("name the other file on the command line with `-f`"),
    ),
    (
        "jobs",
        Use::Refused(
            "write it as a service that others wait for with `service_completed_successfully`",
        ),
    ),
    ("models", NOT_A_PROCESS),
];

/// Keys of a service.
pub(super) const SERVICE: &Keys = &[
    ("command", Use::Read),
    ("container_name", Use::Read),
    ("depends_on", Use::Read),
    ("deploy", Use::Read),
    ("entrypoint", Use::Read),
    ("env_file", Use::Read),
    ("environment", Use::Read),
    ("expose", Use::Read),
    ("healthcheck", Use::Read),
    ("image", Use::Read),
    ("networks", Use::Read),
    ("ports", Use::Read),
    ("profiles", Use::Read),
    ("restart", Use::Read),
    ("scale", Use::Read),
    ("stop_grace_period", Use::Read),
    ("stop_signal", Use::Read),
    ("volumes", Use::Read),
    ("x-shaketable", Use::Read),
    ("build", Use::Container),
    ("hostname", Use::Container),
    ("annotations", NO_CONTAINER),
    ("attach", Use::None("`shaketable logs` shows every service")),
    ("blkio_config", UNLIMITED),
    ("cap_drop", UNPRIVILEGED),
    ("cgroup", NO_CONTAINER),
    ("cgroup_parent", NO_CONTAINER),
    ("cpu_count", UNLIMITED),
    ("cpu_percent", UNLIMITED),
    ("cpu_period", UNLIMITED),
    ("cpu_quota", UNLIMITED),
    ("cpu_rt_period", UNLIMITED),
    ("cpu_rt_runtime", UNLIMITED),
    ("cpu_shares", UNLIMITED),
    ("cpus", UNLIMITED),
    ("cpuset", UNLIMITED),
    ("develop", NO_CONTAINER),
    ("domainname", NO_CONTAINER),
    ("init", NO_CONTAINER),
    ("isolation", NO_CONTAINER),
    ("label_file", NO_CONTAINER),
    ("labels", NO_CONTAINER),
    ("logging", Use::None("`shaketable logs` keeps the logs")),
    ("mac_address", NO_CONTAINER),
    ("mem_limit", UNLIMITED),
    ("mem_reservation", UNLIMITED),
    ("mem_swappiness", UNLIMITED),
    ("memswap_limit", UNLIMITED),
    ("oom_kill_disable", UNLIMITED),
    ("oom_score_adj", UNLIMITED),
    ("pids_limit", UNLIMITED),
    ("platform", NO_CONTAINER),
    ("pull_policy", NO_CONTAINER),
    ("pull_refresh_after", NO_CONTAINER),
    ("runtime", NO_CONTAINER),
    ("security_opt", UNPRIVILEGED),
    ("shm_size", UNLIMITED),
    ("stdin_open", NO_CONTAINER),
    ("storage_opt", NO_CONTAINER),
    ("tty", NO_CONTAINER),
    ("userns_mode", UNPRIVILEGED),
    ("uts", NO_CONTAINER),
    ("cap_add", RIGHTS),
    ("configs", FILES_IN),
    ("credential_spec", RIGHTS),
    ("device_cgroup_rules", RIGHTS),
    ("devices", RIGHTS),
    ("dns", NAMES),
    ("dns_opt", NAMES),
    ("dns_search", NAMES),
    (
        "extends",
        Use::Refused("write the service out, or share its keys with a YAML anchor and `<<`"),
    ),
    ("external_links", NAMES),
    ("extra_hosts", NAMES),
    ("gpus", RIGHTS),
    ("group_add", RIGHTS),
    ("ipc", OWN_ADDRESS),
    ("links", NAMES),
    ("models", NOT_A_PROCESS),
    ("network_mode", OWN_ADDRESS),
    ("pid", RIGHTS),
    ("post_start", HOOKS),
    ("pre_start", HOOKS),
    ("pre_stop", HOOKS),
    ("privileged", RIGHTS),
    ("provider", NOT_A_PROCESS),
    (
        "read_only",
        Use::Refused("processes see this machine's file system; remove the key"),
    ),
    ("secrets", FILES_IN),
    ("sysctls", KERNEL),
    (
        "tmpfs",
        Use::Refused("declare an anonymous volume for the path instead"),
    ),
    ("ulimits", KERNEL),
    ("umask", RIGHTS),
    ("use_api_socket", NOT_A_PROCESS),
    ("user", RIGHTS),
    (
        "volumes_from",
        Use::Refused("mount the same named volume in both services"),
    ),
    (
        "working_dir",
        Use::Refused(
            "a process starts in its own data folder; write absolute paths, and mount what they name",
        ),
    ),
];

/// Keys of `deploy`.
pub(super) const DEPLOY: &Keys = &[
    ("mode", Use::Read),
    ("replicas", Use::Read),
    ("restart_policy", Use::Read),
    ("endpoint_mode", SWARM),
    ("labels", SWARM),
    ("placement", SWARM),
    ("resources", UNLIMITED),
    ("rollback_config", SWARM),
    ("update_config", SWARM),
];

/// Keys of `deploy.restart_policy`.
pub(super) const RESTART_POLICY: &Keys = &[
    ("condition", Use::Read),
    ("max_attempts", Use::Read),
    ("delay", SWARM),
    ("window", SWARM),
];

/// Keys of `healthcheck`.
pub(super) const HEALTHCHECK: &Keys = &[
    ("disable", Use::Read),
    ("interval", Use::Read),
    ("retries", Use::Read),
    ("start_interval", Use::Read),
    ("start_period", Use::Read),
    ("test", Use::Read),
    ("timeout", Use::Read),
];

/// Keys of one dependency.
pub(super) const DEPENDENCY: &Keys = &[
    ("condition", Use::Read),
    ("required", Use::Read),
    (
        "restart",
        Use::None("only `docker compose restart` uses it"),
    ),
];

/// Keys of an item of `env_file`.
pub(super) const ENV_FILE: &Keys = &[
    ("format", Use::Read),
    ("path", Use::Read),
    ("required", Use::Read),
];

/// Keys of an item of `ports`.
pub(super) const PORT: &Keys = &[
    ("protocol", Use::Read),
    ("target", Use::Read),
    ("app_protocol", NO_CONTAINER),
    ("host_ip", Use::Container),
    ("mode", SWARM),
    ("name", NO_CONTAINER),
    ("published", Use::Container),
];

/// Keys of an item of a service's `volumes`.
pub(super) const MOUNT: &Keys = &[
    ("bind", Use::Read),
    ("read_only", Use::Read),
    ("source", Use::Read),
    ("target", Use::Read),
    ("type", Use::Read),
    ("volume", Use::Read),
    ("consistency", NO_CONTAINER),
    ("image", NOT_A_PROCESS),
    (
        "tmpfs",
        Use::Refused("declare an anonymous volume for the path instead"),
    ),
];

/// Keys of `bind` of a mount.
pub(super) const MOUNT_BIND: &Keys = &[
    ("create_host_path", NO_CONTAINER),
    ("propagation", NO_CONTAINER),
    ("recursive", NO_CONTAINER),
    ("selinux", NO_CONTAINER),
];

/// Keys of `volume` of a mount.
pub(super) const MOUNT_VOLUME: &Keys = &[
    ("labels", NO_CONTAINER),
    ("nocopy", NO_CONTAINER),
    (
        "subpath",
        Use::Refused("mount the whole volume, and name the path below it where it is used"),
    ),
];

/// Keys of a top-level volume.
pub(super) const VOLUME: &Keys = &[
    ("labels", NO_CONTAINER),
    (
        "name",
        Use::None("a volume is a folder of the system, under its key"),
    ),
    ("driver", Use::Read),
    ("external", Use::Read),
    (
        "driver_opts",
        Use::Refused("a volume is a folder of this machine; use a bind mount for another place"),
    ),
];

/// Keys of a network of a service.
pub(super) const SERVICE_NETWORK: &Keys = &[
    ("aliases", Use::Read),
    ("driver_opts", NO_CONTAINER),
    ("gw_priority", NO_CONTAINER),
    ("interface_name", NO_CONTAINER),
    ("ipv4_address", OWN_ADDRESS),
    ("ipv6_address", OWN_ADDRESS),
    ("link_local_ips", OWN_ADDRESS),
    ("mac_address", NO_CONTAINER),
    ("priority", NO_CONTAINER),
    ("use_service_name_alias", NO_CONTAINER),
];

/// Keys of our own, `x-shaketable`.
pub(super) const OWN: &Keys = &[("driver", Use::Read)];
