#!/bin/sh
# The unit tests of pure code, parsers, signed writes and the store's records under valgrind: tests/valgrind.sh BUILD_DIR
# Those of processes, locks and limits measure time and address space, which valgrind changes; openat2 (fs) it does not know.
set -u
here=$(dirname "$0")
bad=0
# Those that measure all the same allow that many times longer.
export SLOWER=40
for t in "$1"/unit/base/test_* "$1"/unit/wizard/test_* "$1"/unit/http/test_* "$1"/unit/catalog/test_dataset "$1"/unit/catalog/test_list \
	"$1"/unit/signed/test_* "$1"/unit/worker/test_* "$1"/unit/store/test_accounts "$1"/unit/store/test_mails "$1"/unit/store/test_replay \
	"$1"/unit/store/test_tasks; do
	case $t in *.d|*test_transport|*test_turns|*test_child|*test_number|*test_table|*test_fs|*test_mem) continue ;; esac
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
