#!/usr/bin/env bash
# Makes this machine ready to build, run and test Shaketable: checks every tool, installs
# only what is missing, and ends with one line when all is here.
#
#   scripts/setup.sh                    check, and install what is missing
#   scripts/setup.sh --check            check only: change nothing, use no network
#   scripts/setup.sh --kafka VERSION    the same with another Kafka (3.9.1 to 4.2.0 were tried),
#                                       which is kept beside the one that is pinned
#
# What it promises:
#  1. When nothing is missing it uses no network and changes nothing.
#  2. What it cannot install is named in one list at the end, each with what to do; exit 1. What
#     only a test needs (a browser) is named too, and no failure.
#  3. A failed installation is shown with the end of the installer's own log.
#  4. Nothing half-made is left under its final name: Kafka's jars, the class archive and the
#     Python environment come into the cache by a rename.
#  5. It stops and disables no daemon. One that a package has started is named.
#
# Environment:
#   KAFKA_HOME         an unpacked Kafka distribution to use instead of downloading one
#   JAVA_HOME          the JDK to use instead of the `java` on PATH
#   SHAKETABLE_CACHE   where downloads are kept, for all checkouts: Kafka in kafka-VERSION/libs,
#                      its class archive in kafka-VERSION/java-VERSION.jsa, extensions of the
#                      Chaos Toolkit in extensions-VERSIONS
#                      (else XDG_CACHE_HOME/shaketable, else ~/.cache/shaketable)
# shellcheck disable=SC2329  # the checks are called by name, from the list `tools`
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly java_major_min=17
readonly apt_lock_timeout_s=120    # another apt may be at work: a fresh machine's upgrades
readonly http_timeout_s=30         # of one silent connection, for apt
readonly maven_timeout_ms=30000    # of one silent connection, for Maven
readonly archive_timeout_s=60      # of a broker's start, and of its end
readonly archive_address=127.27.93.1    # where that broker listens
readonly schema_package_version=0.39.0
readonly log_lines_max=40          # shown of an installer's log when it fails
# Extensions of the Chaos Toolkit that nobody here wrote, as their users install them.
readonly extensions=crates/cli/tests/extensions/requirements.txt

kafka_version=$(sed -n 's|.*<kafka\.version>\(.*\)</kafka\.version>.*|\1|p' kafka/pom.xml)
rust_channel=$(sed -n 's|^channel *= *"\(.*\)"|\1|p' rust-toolchain.toml)
check_only=no
case $#:${1:-} in
    0:) ;;
    1:--check) check_only=yes ;;
    2:--kafka)
        kafka_version=$2
        [[ $kafka_version =~ ^[34]\.[0-9]+\.[0-9]+$ ]] || {
            echo "setup: \`$kafka_version\` is not a version of Kafka such as 4.1.1" >&2
            exit 2
        }
        unset KAFKA_HOME    # this version is asked for, not that one
        ;;
    *) echo "usage: scripts/setup.sh [--check | --kafka VERSION]" >&2; exit 2 ;;
esac
readonly check_only kafka_version rust_channel
readonly cache=${SHAKETABLE_CACHE:-${XDG_CACHE_HOME:-${HOME:?is not set}/.cache}/shaketable}
readonly kafka_folder=$cache/kafka-$kafka_version
extensions_folder=$cache/extensions$(sed -n 's/^[a-z-]*==\([0-9.]*\).*/-\1/p' "$extensions" | tr -d '\n')
readonly extensions_folder

# rustup's folder is on PATH only in login shells.
export PATH="$PATH:${CARGO_HOME:-$HOME/.cargo}/bin"

work=$(mktemp -d)    # the installers' logs
fresh=$work          # the download in progress
broker=""            # the pid of the broker that runs for the class archive
clean_up() {
    [ -z "$broker" ] || kill -KILL "$broker" 2>/dev/null || true
    rm -rf -- "$work" "$fresh"
}
trap clean_up EXIT

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

check_pkg_config() {
    command -v pkg-config >/dev/null || { echo "pkg-config is not installed"; return 1; }
    echo "pkg-config"
}

# librdkafka speaks TLS with it.
check_openssl() {
    command -v pkg-config >/dev/null || { echo "OpenSSL's headers: cannot be looked for without pkg-config"; return 1; }
    pkg-config --exists openssl || { echo "OpenSSL's headers are not installed"; return 1; }
    echo "openssl"
}

# librdkafka reads gzip with it.
check_zlib() {
    command -v pkg-config >/dev/null || { echo "zlib's headers: cannot be looked for without pkg-config"; return 1; }
    pkg-config --exists zlib || { echo "zlib's headers are not installed"; return 1; }
    echo "zlib"
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

check_prometheus() {
    command -v prometheus >/dev/null || { echo "Prometheus: prometheus is not installed"; return 1; }
    echo "prometheus"
}

check_chromium() {
    command -v chromium >/dev/null || { echo "Chromium is not installed"; return 1; }
    echo "chromium"
}

check_chromedriver() {
    command -v chromedriver >/dev/null || { echo "Chromium's driver: chromedriver is not installed"; return 1; }
}

# Only fetches what comes from PyPI: not asked for once that is here.
check_pip() {
    check_compose_schema >/dev/null && check_extensions >/dev/null && return
    python3 -m pip --version >/dev/null 2>&1 || { echo "pip (to fetch from PyPI): python3 -m pip does not work"; return 1; }
}

# What Compose's own tools check a file against.
check_compose_schema() {
    [ -s "$cache/compose-spec/compose-spec.json" ] || {
        echo "Compose's JSON Schema is not in $cache/compose-spec"
        return 1
    }
    echo "compose schema"
}

# Looks for the packages, and loads none: that would take a second. The environment is of no use
# once its Python has gone or has become another version.
check_extensions() {
    has_extensions "$extensions_folder" 2>/dev/null || {
        echo "extensions of the Chaos Toolkit are not in $extensions_folder"
        return 1
    }
    echo "extensions"
}

has_extensions() {
    "$1/bin/python" -c 'import importlib.util as util, sys
lacking = [name for name in ("chaoskafka", "chaosaddons", "chaosprometheus", "chaostoxi") if not util.find_spec(name)]
sys.exit(f"there is no {lacking} in {sys.prefix}" if lacking else 0)' </dev/null
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
        prometheus | chromium) echo "$1" ;;
        chromedriver) echo chromium-driver ;;
        pkg_config) echo pkg-config ;;
        openssl) echo libssl-dev ;;
        zlib) echo zlib1g-dev ;;
        pip) echo python3-pip ;;
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
                echo "run this again once what is above is mended; or set KAFKA_HOME to an unpacked Kafka distribution"
            fi ;;
        compose_schema | extensions) echo "run this again once pip works and PyPI can be reached" ;;
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

readonly tools="rust compiler make cmake pkg_config openssl zlib java postgres postgres_user redis prometheus maven kafka"
# Needed by the tests that look at the pages in a browser, check Compose files and call extensions of
# the Chaos Toolkit, and by nothing else.
readonly tools_for_tests="chromium chromedriver pip compose_schema extensions"

# Fills `found` with what is here, `lacking` with the tools that are not, and `problems`
# and `test_problems` with the lists of them for a person to read.
check_all() {
    found=""
    lacking=""
    problems=""
    test_problems=""
    local tool detail problem
    for tool in $tools $tools_for_tests; do
        if detail=$("check_$tool"); then
            [ -z "$detail" ] || found="$found, $detail"
            continue
        fi
        lacking="$lacking $tool"
        problem="  - $detail"$'\n'"      $(remedy "$tool")"$'\n'
        case " $tools " in
            *" $tool "*) problems="$problems$problem" ;;
            *) test_problems="$test_problems$problem" ;;
        esac
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
    # What Debian enables at boot stays as Debian decides, and so does a daemon that starts
    # all the same: it is named (promise 5).
    "${root[@]+"${root[@]}"}" env DEBIAN_FRONTEND=noninteractive SYSTEMD_OFFLINE=1 RUNLEVEL=1 \
        apt-get -q -y \
        -o DPkg::Lock::Timeout="$apt_lock_timeout_s" \
        -o Acquire::http::Timeout="$http_timeout_s" \
        -o Acquire::https::Timeout="$http_timeout_s" \
        -o Acquire::Retries=2 \
        "$@" </dev/null
}

# The daemons of the packages above that run now, a line each.
daemons() {
    cat /proc/[0-9]*/comm 2>/dev/null | grep -xE 'postgres|redis-server|prometheus' | sort -u || true
}

install_packages() {
    local tool package before daemon packages=()
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
    before=$(daemons)
    apt install --no-install-recommends "${packages[@]}" >"$work/install.log" 2>&1 ||
        show_log "apt-get install failed" "$work/install.log"
    for daemon in $(comm -13 <(echo "$before") <(daemons)); do
        say "$daemon runs now, started by its package; Shaketable does not need it and has not stopped it" >&2
    done
}

# The jars of a folder in the one order that a class archive is good for: by bytes.
class_path() {
    local LC_ALL=C jars
    jars=$(printf '%s:' "$1"/*.jar)
    echo "${jars%:}"
}

# Downloads to a folder beside the final one, tries the jars, and only then renames: a
# folder of that name is complete, whoever else downloads at the same time.
install_kafka() {
    [ -z "${KAFKA_HOME:-}" ] || return 0
    ! lacks java && ! lacks maven || return 0
    local parent=${kafka_folder%/*} profile=log4j2 class_path version
    case $kafka_version in 3.*) profile=log4j1 ;; esac
    if ! mkdir -p "$parent" 2>"$work/cache.log" ||
        ! fresh=$(mktemp -d "$parent/.kafka.XXXXXX" 2>"$work/cache.log"); then
        fresh=$work
        show_log "cannot write to the cache (SHAKETABLE_CACHE can name another folder)" "$work/cache.log"
        return 0
    fi
    say "fetching Kafka $kafka_version with Maven to $kafka_folder"
    if ! mvn -q -B -f kafka/pom.xml -P "$profile" -Dkafka.version="$kafka_version" \
        -Dmaven.wagon.http.connectionTimeout="$maven_timeout_ms" -Dmaven.wagon.rto="$maven_timeout_ms" \
        -Daether.connector.connectTimeout="$maven_timeout_ms" -Daether.connector.requestTimeout="$maven_timeout_ms" \
        dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory="$fresh/libs" \
        </dev/null >"$work/maven.log" 2>&1; then
        show_log "Maven could not fetch Kafka" "$work/maven.log"
        return 0
    fi
    class_path=$(class_path "$fresh/libs")
    version=$("$(java_command)" -cp "$class_path" kafka.Kafka --version 2>"$work/kafka.log" </dev/null) || version=""
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

# The schema comes inside a package of PyPI; beside its name first, then renamed.
install_compose_schema() {
    ! lacks pip || return 0
    local wheel
    say "fetching Compose's JSON Schema (in check-jsonschema $schema_package_version) to $cache/compose-spec"
    if ! python3 -m pip download -q --disable-pip-version-check --no-deps --timeout "$http_timeout_s" \
        --dest "$work/schema" "check-jsonschema==$schema_package_version" </dev/null >"$work/schema.log" 2>&1; then
        show_log "pip could not fetch it" "$work/schema.log"
        return 0
    fi
    wheel=$(compgen -G "$work/schema/*.whl") || return 0
    if ! { python3 -m zipfile -e "$wheel" "$work/schema/whl" && mkdir -p "$cache/compose-spec" &&
        cp "$work/schema/whl/check_jsonschema/builtin_schemas/vendor/compose-spec.json" "$cache/compose-spec/.new" &&
        mv -- "$cache/compose-spec/.new" "$cache/compose-spec/compose-spec.json"; } 2>"$work/schema.log"; then
        show_log "the package does not hold it as expected" "$work/schema.log"
    fi
}

# Makes an environment of the python3 that is found, beside the final one, tries it, and only then
# renames it. It has no pip of its own: Debian's Python cannot make one without another package, and
# the programs in it would not survive the renaming.
install_extensions() {
    ! lacks pip || return 0
    local packages
    if ! mkdir -p "$cache" 2>"$work/cache.log" || ! fresh=$(mktemp -d "$cache/.extensions.XXXXXX" 2>"$work/cache.log"); then
        fresh=$work
        show_log "cannot write to the cache (SHAKETABLE_CACHE can name another folder)" "$work/cache.log"
        return 0
    fi
    say "fetching extensions of the Chaos Toolkit with pip to $extensions_folder"
    if ! { python3 -m venv --without-pip "$fresh" &&
        packages=$("$fresh/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))'); } \
        </dev/null >"$work/extensions.log" 2>&1; then
        show_log "python3 could not make an environment" "$work/extensions.log"
    elif ! python3 -m pip install -q --disable-pip-version-check --timeout "$http_timeout_s" --target "$packages" \
        -r "$extensions" </dev/null >"$work/extensions.log" 2>&1; then
        show_log "pip could not fetch them" "$work/extensions.log"
    elif ! has_extensions "$fresh" 2>"$work/extensions.log"; then
        show_log "the packages do not hold them as expected" "$work/extensions.log"
    elif ! check_extensions >/dev/null; then    # else someone else was faster
        chmod 755 "$fresh"
        { rm -rf -- "$extensions_folder" && mv -- "$fresh" "$extensions_folder"; } 2>"$work/cache.log" ||
            show_log "cannot put the extensions into the cache" "$work/cache.log"
    fi
    rm -rf -- "$fresh"
    fresh=$work
}

# The name under which the testbed looks for the class archive of this Java.
archive_path() {
    local java id
    java=$(readlink -f "$(command -v "$(java_command)")") || return 1
    id=$(sed -n 's/^JAVA_RUNTIME_VERSION="\(.*\)"$/\1/p' "${java%/bin/*}/release" 2>/dev/null | tr -c 'A-Za-z0-9.+\n-' _)
    [ -n "$id" ] && echo "$kafka_folder/java-$id.jsa"
}

# Runs one broker for a moment and keeps the classes it has loaded, ready for use: every later
# start takes half the time and half the CPU. Only a saving: a failure is said, and no more.
make_archive() {
    [ -z "${KAFKA_HOME:-}" ] || return 0
    local archive class_path java deadline
    archive=$(archive_path) || return 0
    [ ! -e "$archive" ] && [ -w "$kafka_folder" ] || return 0
    say "making the class archive of Kafka $kafka_version, for fast starts"
    java=$(java_command)
    class_path=$(class_path "$kafka_folder/libs")
    cat >"$work/server.properties" <<END
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@$archive_address:9093
listeners=CLIENT://$archive_address:9092,CONTROLLER://$archive_address:9093
advertised.listeners=CLIENT://$archive_address:9092
listener.security.protocol.map=CLIENT:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=CLIENT
controller.listener.names=CONTROLLER
log.dirs=$work/kafka-data
END
    local options=(-XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xshare:auto -cp "$class_path")
    if ! "$java" "${options[@]}" kafka.tools.StorageTool format -t cGxlYXNlLWFyY2hpdmUtMQ \
        -c "$work/server.properties" </dev/null >"$work/archive.log" 2>&1; then
        show_log "no class archive: the data folder could not be formatted" "$work/archive.log"
        return 0
    fi
    fresh=$(mktemp -d "$kafka_folder/.archive.XXXXXX")
    "$java" -XX:ArchiveClassesAtExit="$fresh/archive" "${options[@]}" \
        kafka.Kafka "$work/server.properties" </dev/null >"$work/archive.log" 2>&1 &
    broker=$!
    deadline=$((SECONDS + archive_timeout_s))
    until (exec 3<>"/dev/tcp/$archive_address/9092") 2>/dev/null; do
        if ! kill -0 "$broker" 2>/dev/null || [ "$SECONDS" -ge "$deadline" ]; then
            show_log "no class archive: the broker did not start" "$work/archive.log"
            return 0
        fi
        sleep 0.2
    done
    kill -TERM "$broker"
    deadline=$((SECONDS + archive_timeout_s))
    while kill -0 "$broker" 2>/dev/null; do
        if [ "$SECONDS" -ge "$deadline" ]; then
            show_log "no class archive: the broker did not end" "$work/archive.log"
            return 0
        fi
        sleep 0.2
    done
    broker=""
    if [ ! -s "$fresh/archive" ] || ! mv -- "$fresh/archive" "$archive"; then
        show_log "no class archive: none was written" "$work/archive.log"
    fi
    rmdir -- "$fresh" 2>/dev/null || true
    fresh=$work
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
    if lacks compose_schema; then
        install_compose_schema
        check_all
    fi
    if lacks extensions; then
        install_extensions
        check_all
    fi
fi

if [ "$check_only" = no ] && ! lacks java && ! lacks kafka; then
    make_archive
fi

if [ -n "$test_problems" ]; then
    {
        say "missing, for tests alone:"
        printf '%s' "$test_problems"
    } >&2
fi
if [ -z "$problems" ]; then
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
