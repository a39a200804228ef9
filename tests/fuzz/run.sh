#!/bin/sh
# Build the fuzz targets and run them.
#   tests/fuzz/run.sh replay            the committed inputs, gcc with sanitizers
#   tests/fuzz/run.sh fuzz SECONDS      each target with clang's libFuzzer; findings are left in $B/fuzz
# B is the build directory (default build), TARGETS the targets (default all).
set -eu
cd "$(dirname "$0")/../.."
B=${B:-build}
out=$B/fuzz
targets=${TARGETS:-multipart urlencoded fields json}
libs="-lfcgi -ljson-c -lcrypto -linih -lutf8proc -luchardet"
flags="-std=c17 -D_GNU_SOURCE -Isrc -Itests/fuzz -g -O1 -fno-omit-frame-pointer -pthread"
mkdir -p "$out"
case ${1-} in
replay)
	for t in $targets; do
		# shellcheck disable=SC2086
		gcc $flags -fsanitize=address,undefined -fno-sanitize-recover=undefined -o "$out/replay-$t" \
		    "tests/fuzz/$t.c" tests/fuzz/replay.c src/base/*.c src/http/*.c $libs
		printf '%s: ' "$t"
		"$out/replay-$t" tests/fuzz/corpus/"$t"/*
	done ;;
fuzz)
	for t in $targets; do
		# shellcheck disable=SC2086
		clang $flags -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined -o "$out/fuzz-$t" \
		    "tests/fuzz/$t.c" src/base/*.c src/http/*.c $libs
		mkdir -p "$out/new-$t"
		"$out/fuzz-$t" -max_total_time="${2:-60}" -artifact_prefix="$out/" -print_final_stats=1 \
		    "$out/new-$t" tests/fuzz/corpus/"$t"
	done ;;
*)
	echo "usage: run.sh replay | fuzz SECONDS" >&2
	exit 2 ;;
esac
