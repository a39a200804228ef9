#!/bin/sh
# The unit tests of pure code and parsers under valgrind: tests/valgrind.sh BUILD_DIR
# Those of processes, locks and limits measure time and address space, which valgrind changes; openat2 (fs) it does not know.
set -u
here=$(dirname "$0")
bad=0
for t in "$1"/unit/base/test_* "$1"/unit/wizard/test_* "$1"/unit/http/test_* "$1"/unit/catalog/test_dataset "$1"/unit/catalog/test_list; do
	case $t in *.d|*test_transport|*test_child|*test_number|*test_table|*test_fs|*test_mem) continue ;; esac
	if valgrind -q --suppressions="$here/valgrind.supp" --error-exitcode=9 --leak-check=full --errors-for-leak-kinds=definite "$t" >/tmp/valgrind.$$ 2>&1; then
		echo "ok - ${t#"$1"/}"
	else
		echo "not ok - ${t#"$1"/}"
		tail -40 /tmp/valgrind.$$
		bad=1
	fi
done
rm -f /tmp/valgrind.$$
exit $bad
