/*
 * Goal: any text as a receiver's SQL is read without a fault; what is accepted has as many markers
 * as values, and hides no second statement from another look at it.
 */
#include "fuzz.h"

#include "signed/statement.h"

static size_t count(const char *text, const char *part)
{
	size_t n = 0;

	for (const char *at = text; (at = strstr(at, part)) != NULL; at++)
		n++;
	return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	char *sql = mem_strndup((const char *)input, size);

	for (int dialect = STATEMENT_SQLITE; dialect <= STATEMENT_POSTGRES; dialect++) {
		struct statement s = {0}, again = {0};
		struct refusal r = {0}, r_again = {0};
		size_t most = count(sql, "$username") + count(sql, "$visitor") +
			      count(sql, "$stamp") + count(sql, "$rows");

		if (!statement_read(sql, (enum statement_dialect)dialect, &s, &r)) {
			fuzz_check(r.code == REFUSE_BAD && s.text == NULL);
			continue;
		}
		fuzz_check(s.n_values <= most);
		if (s.n_values == 0)
			fuzz_check(statement_read(s.text, (enum statement_dialect)dialect, &again,
						  &r_again));
		statement_done(&again);
		statement_done(&s);
	}
	free(sql);
	return 0;
}
