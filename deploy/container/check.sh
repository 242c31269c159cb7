#!/usr/bin/env bash
# check.sh [--debian] [--build-image IMAGE] [--run-image IMAGE] [-- BUILDAH-OPTION ...]
#
# Builds the image and looks at what was built: that it runs as nobody of importance with a root file system that nothing can
# write to, serves TLS, says that it is healthy and ready, ends on SIGTERM, and finds its state when it is started again.
#
#   --debian   in place of the images that the Containerfile names, makes them from Debian's packages and this machine's own Node,
#              where no registry of images can be reached; needs mmdebstrap and root
#
# Needs podman and buildah. Options for buildah, such as --isolation chroot or -v for certificates, stand after --.
set -euo pipefail
cd "$(dirname "$0")/../.."

build_image='' run_image='' debian=''
while [ $# -gt 0 ]; do
  case "$1" in
    --debian) debian=yes; shift ;;
    --build-image) build_image=$2; shift 2 ;;
    --run-image) run_image=$2; shift 2 ;;
    --) shift; break ;;
    *) sed -n '2,11s/^# \{0,1\}//p' "$0"; exit 2 ;;
  esac
done

for tool in podman buildah ${debian:+mmdebstrap}; do
  command -v "$tool" >/dev/null || { echo "expected $tool, it is not installed; on Debian: apt-get install $tool" >&2; exit 1; }
done

image=localhost/fedloop-check
container="fedloop-check-$$"
work=$(mktemp -d)
cleanup() {
  podman rm -f "$container" >/dev/null 2>&1 || true
  podman volume rm -f "$container-data" "$container-vault" >/dev/null 2>&1 || true
  rm -rf "$work"
}
trap cleanup EXIT
step() { printf '\n== %s\n' "$*"; }
fail() { echo "check: $*" >&2; podman logs "$container" 2>&1 | tail -20 >&2 || true; exit 1; }

# An image with Debian, and this machine's Node where Node's own images have it. $1 name, $2 further packages, $3 "npm" to have it.
debian_image() {
  mmdebstrap --quiet --variant=minbase --include="ca-certificates,libstdc++6$2" bookworm "$work/root.tar"
  local from; from=$(buildah from scratch)
  buildah add -q "$from" "$work/root.tar" / >/dev/null
  local root; root=$(buildah mount "$from")
  local node; node=$(readlink -f "$(command -v node)")
  local home; home=$(dirname "$(dirname "$node")")
  install -m 0755 "$node" "$root/usr/local/bin/node"
  if [ "${3:-}" = npm ]; then
    mkdir -p "$root/usr/local/lib/node_modules" "$root/usr/local/include"
    cp -a "$home/lib/node_modules/npm" "$root/usr/local/lib/node_modules/npm"
    cp -a "$home/include/node" "$root/usr/local/include/node"
    ln -s ../lib/node_modules/npm/bin/npm-cli.js "$root/usr/local/bin/npm"
    ln -s ../lib/node_modules/npm/bin/npx-cli.js "$root/usr/local/bin/npx"
  fi
  buildah umount "$from" >/dev/null
  buildah commit -q --rm "$from" "$1" >/dev/null
}

if [ -n "$debian" ]; then
  step "base images from Debian's packages, with Node $(node --version)"
  build_image=localhost/fedloop-check-build run_image=localhost/fedloop-check-run
  podman image exists "$build_image" || debian_image "$build_image" ,python3,make,g++ npm
  podman image exists "$run_image" || debian_image "$run_image" ''
fi

step "build"
arguments=()
[ -z "$build_image" ] || arguments+=(--build-arg "BUILD_IMAGE=$build_image")
[ -z "$run_image" ] || arguments+=(--build-arg "RUN_IMAGE=$run_image")
buildah bud "${arguments[@]}" "$@" -f deploy/container/Containerfile -t "$image" .
podman image inspect "$image" --format 'size {{.Size}} bytes, user {{.User}}'

step "a configuration with certificates"
# FEDLOOP_CHECK_RUN: further options of podman run, where a machine needs them, such as --runtime runc --ulimit nofile=4096:4096.
read -r -a more <<<"${FEDLOOP_CHECK_RUN:-}"
run=(podman run "${more[@]}" --read-only --read-only-tmpfs=false --cap-drop all --security-opt no-new-privileges --network none)
mkdir -m 0777 "$work/etc"
"${run[@]}" --rm -v "$work/etc:/etc/fedloop" "$image" init /etc/fedloop >/dev/null
sed -i -e 's|^dataDir:.*|dataDir: /var/lib/fedloop/data\nvaultDir: /var/lib/fedloop-vault|' -e 's/host: 127.0.0.1/host: 0.0.0.0/' \
  "$work/etc/fedloop.yaml"

step "serve"
start() {
  "${run[@]}" -d --name "$container" -v "$work/etc:/etc/fedloop:ro" -v "$container-data:/var/lib/fedloop" \
    -v "$container-vault:/var/lib/fedloop-vault" "$image" >/dev/null
  for _ in $(seq 120); do
    if inside "$ASK" /healthz >/dev/null 2>&1; then return; fi
    [ "$(podman inspect "$container" --format '{{.State.Running}}')" = true ] || fail "it ended before it was healthy"
    sleep 0.5
  done
  fail "it was not healthy within a minute"
}
# Runs JavaScript in the container: the image has nothing else to ask with.
inside() { podman exec "$container" node -e "$@"; }
ASK='
const { get } = require("node:https");
get({ port: 7480, path: process.argv[1], ca: require("node:fs").readFileSync("/etc/fedloop/tls/ca.pem") }, (answer) => {
  answer.on("data", (data) => process.stdout.write(data)).on("end", () => process.exit(answer.statusCode === 200 ? 0 : 1));
}).on("error", () => process.exit(1));'
start
inside "$ASK" /readyz >/dev/null || fail "it is healthy, and not ready"
echo "healthy and ready over TLS"
origin=$(inside "$ASK" /checkpoint | head -2)

step "who it is, and what it may write"
inside '
const { execPath, getuid, getgid } = process;
const { accessSync, constants, readFileSync, writeFileSync } = require("node:fs");
if (getuid() !== 10001 || getgid() !== 10001) throw new Error(`runs as ${getuid()}:${getgid()}`);
const status = readFileSync("/proc/1/status", "utf8");
for (const line of ["CapEff", "CapPrm", "CapBnd"]) {
  const [, capabilities] = new RegExp(`^${line}:\\s*(\\w+)`, "m").exec(status) ?? [];
  if (!/^0+$/.test(capabilities)) throw new Error(`has capabilities: ${line} ${capabilities}`);
}
if (!/^NoNewPrivs:\s*1$/m.test(status)) throw new Error("may gain privileges");
for (const path of ["/", "/etc/fedloop", "/opt/fedloop", "/tmp", "/usr/local/bin"]) {
  let written = true;
  try { writeFileSync(`${path}/written`, ""); } catch { written = false; }
  if (written) throw new Error(`${path} can be written to`);
}
console.log("user 10001, no capabilities, nothing but the volumes can be written to");'

step "stop, and start again"
podman stop -t 60 "$container" >/dev/null
code=$(podman inspect "$container" --format '{{.State.ExitCode}}')
[ "$code" = 0 ] || fail "expected exit code 0 on SIGTERM, came $code"
podman rm "$container" >/dev/null
start
[ "$(inside "$ASK" /checkpoint | head -2)" = "$origin" ] || fail "the log is another one than before"
echo "ended with 0 on SIGTERM; the log is the same after a start on the same volumes"

step "all is as it should be"
