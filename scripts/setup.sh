#!/usr/bin/env bash
# Makes this machine ready to build and run Shaketable: checks every tool, installs only
# what is missing, and ends with one line when all is here.
#
#   scripts/setup.sh            check, and install what is missing
#   scripts/setup.sh --check    check only: change nothing, use no network
#
# What it promises:
#  1. When nothing is missing it uses no network and changes nothing.
#  2. What it cannot install is named in one list at the end, each with what to do; exit 1.
#  3. A failed installation is shown with the end of the installer's own log.
#
# Environment:
#   KAFKA_HOME         an unpacked Kafka distribution to use instead of downloading one
#   JAVA_HOME          the JDK to use instead of the `java` on PATH
#   SHAKETABLE_CACHE   where downloads are kept, for all checkouts: Kafka in kafka-VERSION/libs
#                      (else XDG_CACHE_HOME/shaketable, else ~/.cache/shaketable)
# shellcheck disable=SC2329  # the checks are called by name, from the list `tools`
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly java_major_min=17
readonly apt_lock_timeout_s=120    # another apt may be at work: a fresh machine's upgrades
readonly http_timeout_s=30         # of one silent connection, for apt
readonly maven_timeout_ms=30000    # of one silent connection, for Maven
readonly log_lines_max=40          # shown of an installer's log when it fails

kafka_version=$(sed -n 's|.*<kafka\.version>\(.*\)</kafka\.version>.*|\1|p' kafka/pom.xml)
rust_channel=$(sed -n 's|^channel *= *"\(.*\)"|\1|p' rust-toolchain.toml)
readonly kafka_version rust_channel
readonly cache=${SHAKETABLE_CACHE:-${XDG_CACHE_HOME:-${HOME:?is not set}/.cache}/shaketable}
readonly kafka_folder=$cache/kafka-$kafka_version

case $#:${1:-} in
    0:) check_only=no ;;
    1:--check) check_only=yes ;;
    *) echo "usage: scripts/setup.sh [--check]" >&2; exit 2 ;;
esac

# rustup's folder is on PATH only in login shells.
export PATH="$PATH:${CARGO_HOME:-$HOME/.cargo}/bin"

work=$(mktemp -d)    # the installers' logs
fresh=$work          # the download in progress
trap 'rm -rf -- "$work" "$fresh"' EXIT

say() { echo "setup: $*"; }

# ---------------------------------------------------------------------------------------
# Checks. Each prints what it found, or prints what is wrong and returns 1.

check_rust() {
    command -v cargo >/dev/null || { echo "cargo is not installed"; return 1; }
    # rustup would otherwise download a missing toolchain just because it was asked.
    export RUSTUP_AUTO_INSTALL=0
    local version tool
    version=$(cargo --version 2>&1) || { echo "Rust $rust_channel is not installed"; return 1; }
    version=$(printf '%s\n' "$version" | sed -n 's/^cargo \([0-9.]*\).*/\1/p')
    if [ "$(printf '%s\n' "$rust_channel" "$version" | sort -V | head -n 1)" != "$rust_channel" ]; then
        echo "cargo is ${version:-of an unknown version}, but $rust_channel or later is needed"
        return 1
    fi
    for tool in clippy fmt; do
        cargo "$tool" --version >/dev/null 2>&1 || { echo "cargo $tool is not installed"; return 1; }
    done
    echo "rust $version"
}

check_compiler() {
    local tool
    for tool in cc c++; do
        command -v "$tool" >/dev/null || { echo "a C and C++ compiler: $tool is not installed"; return 1; }
    done
    echo "c++"
}

check_make() {
    command -v make >/dev/null || { echo "make is not installed"; return 1; }
    echo "make"
}

check_cmake() {
    command -v cmake >/dev/null || { echo "cmake is not installed"; return 1; }
    echo "cmake"
}

java_command() { echo "${JAVA_HOME:+$JAVA_HOME/bin/}java"; }

check_java() {
    local java major
    java=$(java_command)
    command -v "$java" >/dev/null || { echo "Java: $java is not installed"; return 1; }
    major=$("$java" -version 2>&1 | sed -n 's/.* version "\([0-9]*\).*/\1/p')
    if [ "${major:-0}" -lt "$java_major_min" ]; then
        echo "Java: $java is version ${major:-unknown}, but $java_major_min or later is needed"
        return 1
    fi
    echo "java $major"
}

# Debian keeps the server's programs off PATH, one folder per major version.
check_postgres() {
    local program folder
    folder=$(printf '%s\n' /usr/lib/postgresql/*/bin | sort -V | tail -n 1)
    for program in initdb postgres pg_isready; do
        [ -x "$folder/$program" ] || command -v "$program" >/dev/null || {
            echo "PostgreSQL's server: $program is not installed"
            return 1
        }
    done
    echo "postgresql"
}

# PostgreSQL refuses to run as root: the testbed then starts it as one of these users.
check_postgres_user() {
    [ "$(id -u)" -ne 0 ] || id postgres >/dev/null 2>&1 || id nobody >/dev/null 2>&1 || {
        echo "PostgreSQL does not run as root, and there is no user 'postgres' or 'nobody' to run it as"
        return 1
    }
}

check_redis() {
    command -v redis-server >/dev/null || { echo "Redis: redis-server is not installed"; return 1; }
    echo "redis"
}

# Only fetches Kafka: not asked for once Kafka is here.
check_maven() {
    check_kafka >/dev/null && return
    [ -n "${KAFKA_HOME:-}" ] && return
    command -v mvn >/dev/null || { echo "Maven (to fetch Kafka): mvn is not installed"; return 1; }
    echo "maven"
}

check_kafka() {
    if [ -n "${KAFKA_HOME:-}" ]; then
        compgen -G "$KAFKA_HOME/libs/kafka_2.*.jar" >/dev/null || {
            echo "KAFKA_HOME is $KAFKA_HOME, which holds no libs/kafka_2.*.jar"
            return 1
        }
        echo "kafka of KAFKA_HOME ($KAFKA_HOME)"
    else
        # The folder gets its name only after its content was tried: see install_kafka.
        compgen -G "$kafka_folder/libs/kafka_2.*-$kafka_version.jar" >/dev/null || {
            echo "Kafka $kafka_version is not in $kafka_folder"
            return 1
        }
        echo "kafka $kafka_version"
    fi
}

# ---------------------------------------------------------------------------------------
# What mends each.

# Nothing for what apt-get cannot mend.
debian_package() {
    case $1 in
        compiler) echo build-essential ;;
        make | cmake | maven) echo "$1" ;;
        java) [ -n "${JAVA_HOME:-}" ] || echo default-jre-headless ;;
        postgres) echo postgresql ;;
        redis) echo redis-server ;;
    esac
}

remedy() {
    local package
    package=$(debian_package "$1")
    case $1 in
        rust)
            if command -v rustup >/dev/null; then
                echo "rustup toolchain install $rust_channel --profile minimal --component clippy --component rustfmt"
            else
                echo "install rustup (https://rustup.rs), then open a new shell; it reads rust-toolchain.toml"
            fi ;;
        java)
            if [ -n "${JAVA_HOME:-}" ]; then
                echo "let JAVA_HOME name a JDK or JRE of version $java_major_min or later, or unset it to use the java on PATH"
            else
                apt_remedy "$package"
            fi ;;
        postgres_user) echo "useradd --system postgres" ;;
        kafka)
            if [ -n "${KAFKA_HOME:-}" ]; then
                echo "let KAFKA_HOME name an unpacked Kafka distribution, or unset it to have Kafka fetched"
            else
                echo "scripts/setup.sh, once what is above is mended; or set KAFKA_HOME to an unpacked Kafka distribution"
            fi ;;
        *) apt_remedy "$package" ;;
    esac
}

apt_remedy() {
    if ! command -v apt-get >/dev/null; then
        echo "install it with this machine's package manager (Debian calls the package $1)"
    elif [ "$(id -u)" -eq 0 ]; then
        echo "apt-get install $1"
    elif command -v sudo >/dev/null; then
        echo "sudo apt-get install $1"
    else
        echo "as root: apt-get install $1"
    fi
}

readonly tools="rust compiler make cmake java postgres postgres_user redis maven kafka"

# Fills `found` with what is here, `lacking` with the tools that are not, and `problems`
# with the list of them for a person to read.
check_all() {
    found=""
    lacking=""
    problems=""
    local tool detail
    for tool in $tools; do
        if detail=$("check_$tool"); then
            [ -z "$detail" ] || found="$found, $detail"
        else
            lacking="$lacking $tool"
            problems="$problems  - $detail"$'\n'"      $(remedy "$tool")"$'\n'
        fi
    done
}

lacks() { case " $lacking " in *" $1 "*) return 0 ;; *) return 1 ;; esac }

show_log() {
    echo "setup: $1; the end of its log:" >&2
    tail -n "$log_lines_max" "$2" | sed 's/^/    /' >&2
}

# Sets `root` to the words that make a command run as root; fails where there is no way.
become_root() {
    if [ "$(id -u)" -eq 0 ]; then
        root=()
    elif ! command -v sudo >/dev/null; then
        return 1
    elif sudo -n true 2>/dev/null; then
        root=(sudo -n)
    elif [ -t 0 ] && [ -t 2 ]; then
        root=(sudo)
    else
        return 1
    fi
}

apt() {
    # The testbed starts servers of its own, so Debian's need not start on installing:
    # SYSTEMD_OFFLINE holds systemctl back, RUNLEVEL an init without systemd, both for this
    # command alone and without touching the machine's configuration (a policy-rc.d would).
    # What Debian enables at boot stays as Debian decides.
    "${root[@]+"${root[@]}"}" env DEBIAN_FRONTEND=noninteractive SYSTEMD_OFFLINE=1 RUNLEVEL=1 \
        apt-get -q -y \
        -o DPkg::Lock::Timeout="$apt_lock_timeout_s" \
        -o Acquire::http::Timeout="$http_timeout_s" \
        -o Acquire::https::Timeout="$http_timeout_s" \
        -o Acquire::Retries=2 \
        "$@" </dev/null
}

install_packages() {
    local tool package packages=()
    for tool in $lacking; do
        package=$(debian_package "$tool")
        [ -z "$package" ] || packages+=("$package")
    done
    [ "${#packages[@]}" -gt 0 ] || return 0
    command -v apt-get >/dev/null || return 0    # the list at the end says what to install
    if ! become_root; then
        say "not root, and sudo cannot be used here: nothing is installed with apt-get" >&2
        return 0
    fi
    say "installing with apt-get: ${packages[*]}"
    # Stale lists may still do (one broken source fails the whole update), so go on.
    apt update >"$work/update.log" 2>&1 || show_log "apt-get update failed, going on with the old lists" "$work/update.log"
    apt install --no-install-recommends "${packages[@]}" >"$work/install.log" 2>&1 ||
        show_log "apt-get install failed" "$work/install.log"
}

# Downloads to a folder beside the final one, tries the jars, and only then renames: a
# folder of that name is complete, whoever else downloads at the same time.
install_kafka() {
    [ -z "${KAFKA_HOME:-}" ] || return 0
    ! lacks java && ! lacks maven || return 0
    local parent=${kafka_folder%/*} class_path version
    if ! mkdir -p "$parent" 2>"$work/cache.log" ||
        ! fresh=$(mktemp -d "$parent/.kafka.XXXXXX" 2>"$work/cache.log"); then
        fresh=$work
        show_log "cannot write to the cache (SHAKETABLE_CACHE can name another folder)" "$work/cache.log"
        return 0
    fi
    say "fetching Kafka $kafka_version with Maven to $kafka_folder"
    if ! mvn -q -B -f kafka/pom.xml \
        -Dmaven.wagon.http.connectionTimeout="$maven_timeout_ms" -Dmaven.wagon.rto="$maven_timeout_ms" \
        -Daether.connector.connectTimeout="$maven_timeout_ms" -Daether.connector.requestTimeout="$maven_timeout_ms" \
        dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory="$fresh/libs" \
        </dev/null >"$work/maven.log" 2>&1; then
        show_log "Maven could not fetch Kafka" "$work/maven.log"
        return 0
    fi
    class_path=$(printf '%s:' "$fresh"/libs/*.jar)
    version=$("$(java_command)" -cp "${class_path%:}" kafka.Kafka --version 2>"$work/kafka.log" </dev/null) || version=""
    if [[ $version != *"$kafka_version"* ]]; then
        show_log "the fetched Kafka does not start, or is not $kafka_version" "$work/kafka.log"
        return 0
    fi
    check_kafka >/dev/null && return    # someone else was faster
    chmod 755 "$fresh"
    if ! { rm -rf -- "$kafka_folder" && mv -- "$fresh" "$kafka_folder"; } 2>"$work/cache.log"; then
        show_log "cannot put Kafka into the cache" "$work/cache.log"
    fi
}

# ---------------------------------------------------------------------------------------

check_all
if [ -n "$lacking" ] && [ "$check_only" = no ]; then
    install_packages
    check_all
    if lacks kafka; then
        install_kafka
        check_all
    fi
fi

if [ -z "$lacking" ]; then
    say "ready: ${found#, }"
    exit
fi
{
    if [ "$check_only" = yes ]; then
        say "missing (scripts/setup.sh without --check installs what it can):"
    else
        say "could not install everything; please do, and run it again:"
    fi
    printf '%s' "$problems"
} >&2
exit 1
