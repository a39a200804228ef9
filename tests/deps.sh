#!/bin/sh
# Make sure the Debian packages are there that building (build), trying it (run) or testing (check) needs.  Building
# brings no server: one that starts by itself would take port 80 from the one the host is meant to have.
# As root they are installed; otherwise the one line to type is printed.
set -u
build="gcc make pkg-config libc6-dev libfcgi-dev libjson-c-dev libssl-dev libdb5.3-dev libcrypt-dev
libsqlite3-dev libinih-dev libutf8proc-dev libuchardet-dev libgdal-dev libproj-dev libseccomp-dev libzip-dev
libexpat1-dev zlib1g-dev libpq-dev libcurl4-openssl-dev libmsgpack-dev libjs-leaflet proj-data gdal-data"
run="lighttpd"
check="libcmocka-dev python3 python3-requests python3-msgpack python3-tuspy python3-openpyxl python3-xlwt python3-prometheus-client python3-selenium chromium chromium-driver
gdal-bin sqlite3 git curl zip unzip procps strace python3-aiosmtpd msmtp openssl python3-jsonschema mandoc nginx-light apache2-bin libapache2-mod-fcgid lighttpd-mod-webdav wrk python3-django gunicorn nodejs npm postgresql clang clang-format cppcheck valgrind fonts-noto-cjk"
case "${1-}" in build) want=$build ;; run) want="$build $run" ;; check) want="$build $run $check" ;; *) echo "usage: deps.sh build|run|check" >&2; exit 2 ;; esac
missing=
for p in $want; do
	case $p in
	gcc|make|git|npm|nodejs|clang|curl)   # another build of these serves as well
		[ "$p" = nodejs ] && p=node
		command -v "$p" >/dev/null 2>&1 && continue
		[ "$p" = node ] && p=nodejs ;;
	esac
	dpkg-query -W -f='${db:Status-Status}\n' "$p" 2>/dev/null | grep -q '^installed$' || missing="$missing $p"
done
[ -z "$missing" ] && exit 0
if [ "$(id -u)" = 0 ]; then
	echo "installing:$missing"
	export DEBIAN_FRONTEND=noninteractive
	# shellcheck disable=SC2086
	apt-get install -y -q --no-install-recommends $missing >/dev/null 2>&1 ||
		{ apt-get update -q >/dev/null && apt-get install -y -q --no-install-recommends $missing >/dev/null; } ||
		{ echo "could not install:$missing" >&2; exit 1; }
else
	echo "Slipway needs some Debian packages.  Type:" >&2
	echo "  sudo apt-get install -y$missing" >&2
	exit 1
fi
