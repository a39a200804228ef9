#!/bin/sh
# Build the fuzz targets and run them.
#   tests/fuzz/run.sh replay            the committed inputs, gcc with sanitizers
#   tests/fuzz/run.sh fuzz SECONDS      each target with clang's libFuzzer; findings are left in $B/fuzz
# B is the build directory (default build), TARGETS the targets (default all).
# The folders are compiled once for all targets, and again only when a file has changed.
set -eu
cd "$(dirname "$0")/../.."
B=${B:-build}
out=$B/fuzz
targets=${TARGETS:-multipart urlencoded fields json flat xml zip csv area ds statement receiver xls book wizard page records message gates}
flags="-std=c17 -Werror=implicit-function-declaration -D_GNU_SOURCE -Isrc -Itests/fuzz $(pkg-config --cflags gdal) -g -O1 -fno-omit-frame-pointer -pthread"
sources="src/base/*.c src/http/*.c src/wizard/*.c src/area/path.c src/geo/zipdir.c src/geo/ziptail.c
    src/signed/cells.c src/signed/ds.c src/signed/mailbox.c src/signed/receiver*.c src/signed/refusal.c src/signed/statement.c
    src/geo/bigmem.c src/geo/isotime.c src/geo/job.c src/geo/ods.c src/geo/ole.c src/geo/rows.c src/geo/sheet*.c src/geo/xls*.c src/geo/zipxml.c
    src/geo/gridgate.c src/geo/jsongate.c src/geo/prescan_sql.c src/geo/shpgate.c src/geo/wkbscan.c src/geo/xmlgate.c"
libs="-lfcgi -ljson-c -lcrypto -linih -lutf8proc -luchardet -lexpat -lz -lmsgpackc -lzip -lm"

# build CC SAN MODE MORE: $out/MODE/lib.a, then each target with the C file MORE as $out/MODE-TARGET.
build() {
	cc=$1 san=$2 dir=$out/$3 more=${4-}
	mkdir -p "$dir"
	# shellcheck disable=SC2086
	for c in $sources; do
		o=$dir/$(echo "${c#src/}" | tr / -).o
		# An object is current when it is newer than its source and every header.
		if [ ! -e "$o" ] || [ -n "$(find "$c" src/base src/http src/wizard src/area src/signed src/geo -newer "$o" \
		    \( -path "$c" -o -name '*.h' \) -print -quit)" ]; then
			echo "$c $o"
		fi
	done | xargs -r -P 2 -n 2 sh -c 'exec '"$cc $flags $san"' -c -o "$1" "$0"'
	rm -f "$dir/lib.a"
	ar rcs "$dir/lib.a" "$dir"/*.o
	# shellcheck disable=SC2086
	for t in $targets; do
		echo "$t"
	done | xargs -P 2 -n 1 sh -c 'exec '"$cc $flags $san $5"' -o "'"$dir"'-$0" "tests/fuzz/$0.c" '"$more $dir/lib.a $libs"
}

san="-fsanitize=address,undefined -fno-sanitize-recover=undefined"
case ${1-} in
replay)
	build gcc "$san" replay tests/fuzz/replay.c ""
	for t in $targets; do
		printf '%s: ' "$t"
		"$out/replay-$t" tests/fuzz/corpus/"$t"/*
	done ;;
fuzz)
	build clang "-fsanitize=fuzzer-no-link $san" fuzz "" -fsanitize=fuzzer
	for t in $targets; do
		mkdir -p "$out/new-$t"
		"$out/fuzz-$t" -max_total_time="${2:-60}" -artifact_prefix="$out/" -print_final_stats=1 \
		    "$out/new-$t" tests/fuzz/corpus/"$t"
	done ;;
*)
	echo "usage: run.sh replay | fuzz SECONDS" >&2
	exit 2 ;;
esac
