#!/bin/sh
# Fill the folder of `make bundle`: fill.sh PROGRAMS FOLDER GEO_LIBS
# What is in FOLDER/data and FOLDER/slipway.conf stays as it is.
set -eu
from=$1 to=$2 geo_libs=$3
leaflet=/usr/share/javascript/leaflet

if [ -e "$to" ] && [ ! -e "$to/slipway.cgi" ] && [ -n "$(ls -A "$to")" ]; then
	echo "bundle: $to is there and is no bundle" >&2
	exit 1
fi
umask 022
rm -rf "$to/lib" "$to/share"
mkdir -p "$to/lib" "$to/share/leaflet/images" "$to/data"
for p in slipway.cgi slipway-worker slipway; do
	install -m 755 "$from/$p" "$to/$p"
done
install -m 755 "$from/slipway-geo-$geo_libs" "$to/slipway-geo"

# Every library but the C library's own: another version of that cannot be had beside the host's.  Asked of the programs
# where no lib/ stands beside them, so that the system's libraries are named.
libraries() {
	ldd "$@" | awk '$2 == "=>" && $3 ~ /^\// {print $3}' | sort -u |
		grep -Ev '/(ld-linux[^/]*|lib(c|m|pthread|dl|rt|resolv|util|anl|nsl|mvec|thread_db))\.so[^/]*$'
}
libraries "$from/slipway.cgi" "$from/slipway-worker" "$from/slipway" | while read -r l; do cp -L "$l" "$to/lib/"; done
if [ "$geo_libs" = 1 ]; then
	libraries "$from/slipway-geo-$geo_libs" | while read -r l; do cp -L "$l" "$to/lib/"; done
	cp -rL /usr/share/gdal "$to/share/gdal"
	cp -rL /usr/share/proj "$to/share/proj"
else
	# Small ones that a host with GDAL may lack all the same; GDAL itself and what it needs are the host's.
	libraries "$from/slipway-geo-$geo_libs" | grep -E '/lib(inih|utf8proc|uchardet|seccomp|json-c|zip|crypto)\.so[^/]*$' |
		while read -r l; do cp -L "$l" "$to/lib/"; done
fi
chmod 644 "$to"/lib/*

cp -r templates static "$to/share/"
cp -L "$leaflet/leaflet.js" "$leaflet/leaflet.css" "$to/share/leaflet/"
cp -L "$leaflet"/images/* "$to/share/leaflet/images/"
install -m 644 apache/htaccess "$to/.htaccess"
for d in lib share data; do
	printf '# Nothing in here is for browsers.\nRequire all denied\n' >"$to/$d/.htaccess"
done
[ -e "$to/data/crs.index" ] || install -m 600 "$from/crs.index" "$to/data/crs.index"
chmod 700 "$to/data"

if [ ! -e "$to/slipway.conf" ]; then
	token=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
	digest=$(printf %s "$token" | sha256sum | cut -d' ' -f1)
	sed "s/@FIRST@/$digest/" bundle/slipway.conf >"$to/slipway.conf"
	sed "s/@FIRST@/$token/" bundle/FIRST.txt >"$to.first-login.txt"
	chmod 600 "$to.first-login.txt"
	echo "The address that makes the first administrator: $to.first-login.txt (keep it, do not upload it)"
fi
install -m 644 bundle/README.txt "$to/README.txt"
echo "Ready to upload: $to ($(du -sh "$to" | cut -f1)); what to do with it: $to/README.txt"
