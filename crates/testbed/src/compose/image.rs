//! Which driver stands for an image, and which commands it can carry out.

use super::DriverKind;

/// Images that are like one of ours and are not: their conventions differ, so that running them by
/// our driver would be another system than the file describes.
const OTHERS: &[(&str, &str)] = &[
    (
        "bitnami/kafka",
        "its environment is not that of apache/kafka",
    ),
    (
        "bitnamilegacy/kafka",
        "its environment is not that of apache/kafka",
    ),
    (
        "confluentinc/cp-kafka",
        "its environment is not that of apache/kafka",
    ),
    (
        "bitnami/postgresql",
        "its environment is not that of postgres",
    ),
    (
        "bitnamilegacy/postgresql",
        "its environment is not that of postgres",
    ),
    ("bitnami/redis", "its environment is not that of redis"),
    (
        "bitnamilegacy/redis",
        "its environment is not that of redis",
    ),
    (
        "redis/redis-stack",
        "its modules are not part of the redis server",
    ),
    (
        "redis/redis-stack-server",
        "its modules are not part of the redis server",
    ),
];

impl DriverKind {
    /// All kinds.
    pub const ALL: [DriverKind; 5] = [
        DriverKind::Kafka,
        DriverKind::Postgres,
        DriverKind::Redis,
        DriverKind::Prometheus,
        DriverKind::Process,
    ];

    /// The name in `x-shaketable: {driver: NAME}`.
    pub fn name(self) -> &'static str {
        match self {
            DriverKind::Kafka => "kafka",
            DriverKind::Postgres => "postgres",
            DriverKind::Redis => "redis",
            DriverKind::Prometheus => "prometheus",
            DriverKind::Process => "process",
        }
    }

    /// The driver of an image that is a known server, `None` for any other image. The error says
    /// why an image that looks like one is not.
    pub fn of_image(image: &str) -> Result<Option<DriverKind>, &'static str> {
        let repository = repository(image);
        let is = |name: &str| {
            repository == name
                || repository
                    .strip_suffix(name)
                    .is_some_and(|mirror| mirror.ends_with('/') && !mirror.is_empty())
        };
        if let Some((_, why)) = OTHERS.iter().find(|(name, _)| is(name)) {
            return Err(why);
        }
        let official = |name: &str| repository == name || is(&format!("library/{name}"));
        Ok(if is("apache/kafka") || is("apache/kafka-native") {
            Some(DriverKind::Kafka)
        } else if official("postgres") {
            Some(DriverKind::Postgres)
        } else if official("redis") {
            Some(DriverKind::Redis)
        } else if is("prom/prometheus") {
            Some(DriverKind::Prometheus)
        } else {
            None
        })
    }

    /// Whether a container of the image, given this entrypoint and command, runs the server.
    pub(super) fn runs(self, command: &[String]) -> bool {
        let words = match command.first().map(String::as_str) {
            Some("docker-entrypoint.sh" | "/usr/local/bin/docker-entrypoint.sh") => &command[1..],
            _ => command,
        };
        let Some(first) = words.first() else {
            return true;
        };
        let program = first.rsplit('/').next().unwrap_or_default();
        match self {
            DriverKind::Kafka => first == "/etc/kafka/docker/run",
            DriverKind::Postgres => first.starts_with('-') || program == "postgres",
            DriverKind::Redis => {
                first.starts_with('-') || program == "redis-server" || program.ends_with(".conf")
            }
            DriverKind::Prometheus => first.starts_with('-') || program == "prometheus",
            DriverKind::Process => true,
        }
    }
}

/// An image's name without registry, tag and digest.
fn repository(image: &str) -> &str {
    let name = image.split('@').next().unwrap_or_default();
    let name = match name.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => name,
        _ => name,
    };
    match name.split_once('/') {
        Some((registry, rest)) if registry.contains(['.', ':']) || registry == "localhost" => rest,
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_known_by_any_registry_tag_and_digest() {
        use DriverKind::{Kafka, Postgres, Prometheus, Redis};
        for (image, expected) in [
            ("apache/kafka", Ok(Some(Kafka))),
            ("apache/kafka-native:4.2.0", Ok(Some(Kafka))),
            ("docker.io/apache/kafka:4.2.0", Ok(Some(Kafka))),
            ("localhost:5000/mirror/apache/kafka:4", Ok(Some(Kafka))),
            ("postgres:16-alpine", Ok(Some(Postgres))),
            ("docker.io/library/postgres@sha256:00ff", Ok(Some(Postgres))),
            (
                "public.ecr.aws/docker/library/postgres:16@sha256:00ff",
                Ok(Some(Postgres)),
            ),
            ("registry.example.com:5000/redis", Ok(Some(Redis))),
            ("redis:7.2", Ok(Some(Redis))),
            ("quay.io/prom/prometheus:v2", Ok(Some(Prometheus))),
            ("shop/postgres", Ok(None)),
            ("my-redis", Ok(None)),
            ("notapache/kafka", Ok(None)),
        ] {
            assert_eq!(DriverKind::of_image(image), expected, "{image}");
        }
        for image in ["bitnami/kafka:3", "docker.io/redis/redis-stack"] {
            assert!(DriverKind::of_image(image).is_err(), "{image}");
        }
    }
}
