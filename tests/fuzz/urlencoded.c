/*
 * Goal: a request line is read without a fault, and what it yields is normal: a path from the root
 * without
 * "..", text that is UTF-8.  The input is path and query; the same bytes also serve as urlencoded
 * body.
 */
#include "fuzz.h"

#include "base/text.h"

static void check_request(const char *uri, const char *mount)
{
	char *request_uri = mem_printf("REQUEST_URI=%s", uri),
	     *path_info = mem_printf("PATH_INFO=%s", uri);
	const char *env[] = {"REQUEST_METHOD=GET", request_uri, "SCRIPT_NAME=/s",
			     mount == NULL ? path_info : NULL, NULL};
	struct config config = fuzz_config;
	struct req req;

	config.mount = (char *)mount;
	struct wire *w = wire_of_memory(env, "", 0, NULL);
	req_init(&req, w, &config);
	fuzz_check(req.path[0] == '/' && strstr(req.path, "//") == NULL &&
		   strstr(req.path, "/../") == NULL);
	fuzz_check(text_is_utf8(req.path, strlen(req.path)));
	fuzz_check(strpbrk(req.mount, "\r\n\"<> ") == NULL);
	for (size_t i = 0; i < req.query.n; i++)
		fuzz_check(text_is_utf8(req.query.v[i].value, strlen(req.query.v[i].value)));
	req_done(&req);
	wire_free(w);
	free(request_uri);
	free(path_info);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	struct pairs pairs = {0};
	char *text = mem_strndup((const char *)input, size);

	check_request(text, NULL);
	check_request(text, "/m");
	(void)pairs_decode(&pairs, (const char *)input, size, 1000, NULL);
	pairs_done(&pairs);
	free(text);
	return 0;
}
