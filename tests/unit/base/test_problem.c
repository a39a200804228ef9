/* Goal: a problem prints as the contract's object, and a list of them can be searched. */
#include "base/mem.h"
#include "base/problem.h"
#include "unit.h"

static void test_problem_prints_as_the_contract_says(void **state)
{
	json_object *list = NULL;
	json_object *p = problem_new("csv_not_numeric");
	CLEAN_FREE char *text = NULL;

	(void)state;
	problem_str(problem_str(p, "field", "lat"), "layer", NULL);
	problem_int(p, "row", 2);
	problem_arg_int(problem_arg(p, "limit", "3"), "count", 4);
	assert_string_equal(problem_code(p), "csv_not_numeric");
	assert_false(problems_have(NULL, "csv_not_numeric"));
	problems_add(&list, p);
	problems_add(&list, problem_new("file_empty"));
	assert_true(problems_have(list, "file_empty"));
	assert_false(problems_have(list, "busy"));
	text = json_print(list, NULL);
	assert_string_equal(
	    text, "[{\"code\":\"csv_not_numeric\",\"field\":\"lat\",\"layer\":null,\"row\":2,"
		  "\"args\":{\"limit\":\"3\",\"count\":4}},{\"code\":\"file_empty\"}]");
	json_object_put(list);
	assert_string_equal(problem_code(NULL), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_problem_prints_as_the_contract_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
