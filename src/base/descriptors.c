#include "base/descriptors.h"

#include <sys/resource.h>

enum err descriptors_allow(int64_t *ret_limit, struct error *error)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) != 0)
		return error_errno(error, ERR_IO, "getrlimit");
	if (r.rlim_cur < DESCRIPTORS_MOST && r.rlim_cur < r.rlim_max) {
		rlim_t before = r.rlim_cur;

		r.rlim_cur = r.rlim_max < DESCRIPTORS_MOST ? r.rlim_max : DESCRIPTORS_MOST;
		if (setrlimit(RLIMIT_NOFILE, &r) != 0)
			r.rlim_cur = before;
	}
	if (r.rlim_cur < DESCRIPTORS_OWN + DESCRIPTORS_REQUEST)
		return error_set(
		    error, ERR_SHORT,
		    "this process may have %lld files open, and needs %d: raise its limit "
		    "(ulimit -n, LimitNOFILE)",
		    (long long)r.rlim_cur, DESCRIPTORS_OWN + DESCRIPTORS_REQUEST);
	*ret_limit = r.rlim_cur > INT64_MAX ? INT64_MAX : (int64_t)r.rlim_cur;
	return ERR_OK;
}
