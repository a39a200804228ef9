/*
 * Goal: a path finds its row, or the right reason why not; parameters take exactly what they say.
 */
#include "http/helper.h"

#include "http/route.h"

#define G METHOD_BIT(METHOD_GET)
#define P METHOD_BIT(METHOD_POST)
#define D METHOD_BIT(METHOD_DELETE)
#define O METHOD_BIT(METHOD_OPTIONS)

static const struct route table[] = {
    {.path = "/", .methods = G},
    {.path = "/upload/", .methods = G},
    {.path = "/upload/", .methods = P},
    {.path = "/upload/delete/{id:int}", .methods = G | P | D},
    {.path = "/upload/cancel", .methods = P},
    {.path = "/upload/{step:alpha}", .methods = G | P},
    {.path = "/datasets/{id:int}", .methods = G},
    {.path = "/datasets/{id:int}.json", .methods = G},
    {.path = "/layers/{workspace}:{name}", .methods = G},
    {.path = "/files/", .methods = P},
    {.path = "/files/", .methods = O},
    {.path = "/files/{id}", .methods = METHOD_BIT(METHOD_PATCH)},
    {.path = "/static/{path:rest}", .methods = G},
    {.path = "/a/{x}/b/{y}", .methods = G},
};
#define N (sizeof(table) / sizeof(*table))

static void expect(enum method m, const char *path, enum err err, int row)
{
	struct route_match match;

	if (route_find(table, N, m, path, &match) != err)
		fail_msg("%s", path);
	if (err == ERR_OK)
		assert_ptr_equal(match.route, &table[row]);
	else
		assert_null(match.route);
	pairs_done(&match.params);
}

static void param(const char *path, const char *name, const char *want)
{
	struct route_match match;

	assert_int_equal(route_find(table, N, METHOD_GET, path, &match), ERR_OK);
	assert_string_equal(pairs_get(&match.params, name), want);
	pairs_done(&match.params);
}

static void test_route_finds_rows(void **state)
{
	(void)state;
	expect(METHOD_GET, "/", ERR_OK, 0);
	expect(METHOD_GET, "/upload/", ERR_OK, 1);
	expect(METHOD_HEAD, "/upload/", ERR_OK, 1);
	expect(METHOD_POST, "/upload/", ERR_OK, 2);
	expect(METHOD_GET, "/upload", ERR_NOT_FOUND, 0);
	expect(METHOD_GET, "/upload/srs", ERR_OK, 5);
	expect(METHOD_GET, "/upload/srs/", ERR_NOT_FOUND, 0);
	expect(METHOD_GET, "/upload/SRS", ERR_NOT_FOUND, 0);
	expect(METHOD_GET, "/upload/srs2", ERR_NOT_FOUND, 0);
	expect(METHOD_GET, "/nothing", ERR_NOT_FOUND, 0);
	expect(METHOD_GET, "/a/1/b/2", ERR_OK, 13);
	expect(METHOD_GET, "/a//b/2", ERR_NOT_FOUND, 0);
	expect(METHOD_GET, "/a/1/b/", ERR_NOT_FOUND, 0);
	expect(METHOD_GET, "/static/", ERR_NOT_FOUND, 0);
}

static void test_route_numbers(void **state)
{
	static const char *const bad[] = {"/datasets/0",
					  "/datasets/01",
					  "/datasets/-1",
					  "/datasets/+1",
					  "/datasets/1x",
					  "/datasets/9007199254740992",
					  "/datasets/99999999999999999999",
					  "/datasets/",
					  "/datasets/1.xml",
					  "/datasets/ 1"};

	(void)state;
	param("/datasets/7", "id", "7");
	param("/datasets/9007199254740991", "id", "9007199254740991");
	param("/datasets/7.json", "id", "7");
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		expect(METHOD_GET, bad[i], ERR_NOT_FOUND, 0);
}

static void test_route_parameters(void **state)
{
	(void)state;
	param("/layers/geonode:roads", "workspace", "geonode");
	param("/layers/geonode:roads:2", "name", "roads:2");
	param("/static/leaflet/images/a.png", "path", "leaflet/images/a.png");
	param("/a/1/b/2", "x", "1");
	param("/a/1/b/2", "y", "2");
	param("/upload/csv", "step", "csv");
}

static void test_route_methods(void **state)
{
	struct route_match match;

	(void)state;
	assert_int_equal(route_find(table, N, METHOD_PUT, "/upload/", &match), ERR_METHOD);
	assert_int_equal(match.allow, G | METHOD_BIT(METHOD_HEAD) | P | O);
	pairs_done(&match.params);
	expect(METHOD_OTHER, "/upload/", ERR_METHOD, 0);
	expect(METHOD_DELETE, "/upload/srs", ERR_METHOD, 0);
	expect(METHOD_OTHER, "/nothing", ERR_NOT_FOUND, 0);
	/* OPTIONS always answers; a row that asks for it gets it. */
	expect(METHOD_OPTIONS, "/upload/", ERR_OK, 1);
	expect(METHOD_OPTIONS, "/files/", ERR_OK, 10);
	assert_int_equal(route_find(table, N, METHOD_OPTIONS, "/upload/delete/7", &match), ERR_OK);
	assert_string_equal(pairs_get(&match.params, "id"), "7");
	assert_int_equal(match.allow, G | METHOD_BIT(METHOD_HEAD) | P | D | O);
	pairs_done(&match.params);
	expect(METHOD_PATCH, "/files/abc", ERR_OK, 11);
	/* What is spelled out is not taken by a pattern. */
	expect(METHOD_POST, "/upload/cancel", ERR_OK, 4);
	assert_int_equal(route_find(table, N, METHOD_GET, "/upload/cancel", &match), ERR_METHOD);
	assert_int_equal(match.allow, P | O);
	pairs_done(&match.params);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_route_finds_rows),
	    cmocka_unit_test(test_route_numbers),
	    cmocka_unit_test(test_route_parameters),
	    cmocka_unit_test(test_route_methods),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
