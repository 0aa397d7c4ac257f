#!/usr/bin/env bash
# Makes a base image without a registry: Debian with the few programs that an instance needs, from the mirror that apt
# uses on this machine. Takes about a minute; needs root, debootstrap and Docker. With a registry nobody needs this:
# the Dockerfile starts from node:24-bookworm-slim by default.
#
#   deploy/docker/base-image.sh [NAME]      NAME is reef-base:local unless given
set -euo pipefail

name=${1:-reef-base:local}
release=bookworm
packages=ca-certificates,git,tini

# A machine has the one kind of list, or the other, or both.
shopt -s nullglob
lists=(/etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources)
mirror=$(cat "${lists[@]}" 2>/dev/null |
  sed -nE 's/^(URIs:|deb( \[[^]]*\])?) *(https?:\/\/[^ ]*debian\.org\/debian\/?)( .*)?$/\3/p' | sed -n 1p) || true
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT

debootstrap --variant=minbase --include="$packages" "$release" "$root" "${mirror:-http://deb.debian.org/debian}" >"$root.log" 2>&1 || {
  tail -n 20 "$root.log" >&2
  exit 1
}
rm -rf "$root.log" "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/*
tar -C "$root" -c . | docker import - "$name" >/dev/null
echo "$name is ready."
