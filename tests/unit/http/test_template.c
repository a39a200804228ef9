/*
 * Goal: a template prints what its model says, escaped for where it stands; a template that could
 * be escaped wrongly does not compile, and says where.
 */
#include "http/helper.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "http/represent.h"
#include "http/template.h"
#include "http/template_int.h"

static char dir[] = "/tmp/slipway-test-XXXXXX";

static void write_file(const char *name, const char *text)
{
	CLEAN_FREE char *path = mem_printf("%s/%s", dir, name);
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fclose(f), 0);
}

static int set_up(void **state)
{
	(void)state;
	if (strstr(dir, "XXXXXX") != NULL)
		assert_non_null(mkdtemp(dir));
	write_file("text.en",
		   "# words\n"
		   "hello = Hello {name}, {n:num} files, {size:bytes}.\n"
		   "long = one\n"
		   "   two\n"
		   "step.csv = Table\n"
		   "only = English\n"
		   "rows = {count:num} rows\n"
		   "rows.one = {count:num} row\n"
		   "most = Not more than {limit:num} files.\n"
		   "most.one = Not more than {limit:num} file.\n"
		   "problem.bad = {count:num} rows of {limit:num} are bad.\n"
		   "problem.bad.one = {count:num} row of {limit:num} is bad.\n"
		   "problem.csv_not_numeric = Column “{column}” of {file} holds no numbers: row "
		   "{row} has “{value}”.\n"
		   "problem.size = Exceeds {limit}.\n"
		   "hint.csv_not_numeric = Choose the column with the latitude ({column}).\n");
	write_file("text.zh", "hello = 你好 {name}\n"
			      "long = 一\n"
			      "   二\n"
			      "rows = {count:num} 行\n"
			      "step.csv = 表\n");
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	CLEAN_FREE char *command = mem_printf("rm -r '%s'", dir);
	return system(command);
}

static const char model_text[] =
    "{\"name\":\"<b>&\\\"'\",\"a\":{\"b\":{\"c\":\"deep\"}},\"n\":1234567,\"neg\":-1234,\"zero\":0,"
    "\"d\":12.4,\"big\":5299000.0,\"long\":47.84434140845486,\"tiny\":0.00001,\"huge\":-3."
    "4028234663852886e38,\"yes\":true,\"no\":false,"
    "\"null\":null,\"empty\":\"\",\"none\":[],\"list\":[{\"x\":\"1\",\"in\":[\"a\",\"b\"]},{\"x\":"
    "\"<2>\",\"in\":[]}],"
    "\"words\":[\"q\",\"r\"],\"bad\":\"javascript:alert(1)\",\"good\":\"https://example.org/"
    "?a=1&b=2\",\"mail\":\"mailto:a@b\","
    "\"ours\":\"/upload/srs?id=7&x\",\"proto\":\"//evil.example/\",\"back\":\"/"
    "\\\\evil\",\"step\":\"csv\",\"size\":1536,\"ms\":1795341600000,"
    "\"iso\":\"2026-11-22T10:00:00Z\",\"script\":\"</script><!--\",\"zh\":\"中 文\","
    "\"p\":{\"code\":\"csv_not_numeric\",\"column\":\"<lat>\",\"file\":\"c.csv\",\"row\":2,"
    "\"value\":\"Bei\\u0001jing\"},"
    "\"q\":{\"code\":\"never_heard\"},\"r\":{\"code\":\"size\",\"args\":{\"limit\":\"100 MB\"}}}";

/* Compile and print TEMPLATE; the answer, or "error: …".  Caller frees. */
static char *print(const char *template, enum lang lang)
{
	CLEAN_JSON json_object *model = NULL;
	struct pages *pages;
	struct error error = {0};
	char *text = NULL;
	size_t len;

	assert_int_equal(json_read(model_text, strlen(model_text), &json_limits_form, &model),
			 ERR_OK);
	write_file("t.html", template);
	assert_int_equal(pages_load(dir, &pages, &error), ERR_OK);
	FILE *out = open_memstream(&text, &len);
	enum err err = pages_print(pages, "t", model, "/m", lang, out, &error);
	assert_int_equal(fclose(out), 0);
	pages_free(pages);
	if (err != ERR_OK) {
		free(text);
		const char *reason = strstr(error.text, "t.html:");
		return mem_printf("error: %s", reason != NULL ? reason : error.text);
	}
	return text;
}

static void expect(const char *template, const char *want)
{
	CLEAN_FREE char *got = print(template, LANG_EN);

	if (strcmp(got, want) != 0)
		fail_msg("template '%s'\nprints '%s'\nwanted '%s'", template, got, want);
}

static void refuse(const char *template, const char *line_and_reason)
{
	CLEAN_FREE char *got = print(template, LANG_EN);
	CLEAN_FREE char *want = mem_printf("error: t.html:%s", line_and_reason);

	if (strncmp(got, want, strlen(want)) != 0)
		fail_msg("template '%s'\ngives '%s'\nwanted '%s'", template, got, want);
}

static void test_template_values(void **state)
{
	(void)state;
	expect("a {{a.b.c}} {{ n }}{{d}}{{yes}}{{no}}{{null}}{{missing}}{{missing.x}}{{list}}{{a}}",
	       "a deep 123456712.4truefalse");
	expect("{{list.1.x}} {{list.9.x}} {{words.0}}", "&lt;2&gt;  q");
	expect("plain { } text }} {", "plain { } text }} {");
	expect("", "");
	expect("a{{# a comment {{ }}b", "ab");
}

static void test_template_escapes_by_context(void **state)
{
	(void)state;
	expect("<p>{{name}}</p>", "<p>&lt;b&gt;&amp;&quot;&#39;</p>");
	expect("<p title=\"{{name}}\">", "<p title=\"&lt;b&gt;&amp;&quot;&#39;\">");
	expect("<title>{{name}}</title><textarea>{{name}}</textarea>",
	       "<title>&lt;b&gt;&amp;&quot;&#39;</title><textarea>&lt;b&gt;&amp;&quot;&#39;</"
	       "textarea>");
	expect("<a href=\"/x?q={{u name}}\">", "<a href=\"/x?q=%3Cb%3E%26%22%27\">");
	expect("{{u zh}}", "%E4%B8%AD%20%E6%96%87");
	expect("<script type=\"application/json\">{{json script}}</script>{{step}}",
	       "<script type=\"application/json\">\"\\u003c\\/script>\\u003c!--\"</script>csv");
	expect("<script id=\"x\" type=\"application/json\">{{json words}}</script>",
	       "<script id=\"x\" type=\"application/json\">[\"q\",\"r\"]</script>");
	expect("<div data-x=\"{{json words}}\">", "<div data-x=\"[&quot;q&quot;,&quot;r&quot;]\">");
	expect("<input value='x' title=\"{{name}}\">",
	       "<input value='x' title=\"&lt;b&gt;&amp;&quot;&#39;\">");
	expect("a < b {{step}} <!-- \"' -- --> {{step}}", "a < b csv <!-- \"' -- --> csv");
}

static void test_template_links(void **state)
{
	(void)state;
	expect("<a href=\"{{url \"/upload/\"}}?id={{n}}\">", "<a href=\"/m/upload/?id=1234567\">");
	expect("<form action=\"{{url ours}}\">", "<form action=\"/m/upload/srs?id=7&amp;x\">");
	expect("<a href=\"{{url proto}}\">", "<a href=\"#\">");
	expect("<a href=\"{{url back}}\">", "<a href=\"#\">");
	expect("<a href=\"{{bad}}\">", "<a href=\"#\">");
	expect("<a href=\"{{good}}\">", "<a href=\"https://example.org/?a=1&amp;b=2\">");
	expect("<a href=\"{{mail}}\"><img src=\"{{bad}}\">",
	       "<a href=\"mailto:a@b\"><img src=\"#\">");
	expect("<a href=\"{{ours}}\">", "<a href=\"/upload/srs?id=7&amp;x\">");
	expect("<a href=\"{{proto}}\"><a href=\"{{back}}\">", "<a href=\"#\"><a href=\"#\">");
	expect("<a href=\"#{{step}}\"><a href=\"?a={{step}}\">",
	       "<a href=\"#csv\"><a href=\"?a=csv\">");
	expect("<a href=\"{{u bad}}\">", "<a href=\"javascript%3Aalert%281%29\">");
	expect("<a href=\"{{if yes}}{{url \"/a\"}}{{else}}#{{end}}\">", "<a href=\"/m/a\">");
	expect("<p title=\"{{bad}}\">", "<p title=\"javascript:alert(1)\">");
	expect("{{url \"/a\"}}", "/m/a");
	refuse("<a href=\"java{{step}}\">", "1: a value in the middle of a URL");
	refuse("<a href=\"{{step}}{{step}}\">", "1: a value in the middle of a URL");
	refuse("<a href=\"{{for x in words}}{{x}}{{end}}\">", "1: a value in the middle of a URL");
	refuse("<a href=\"{{if yes}}java{{end}}{{step}}\">", "1: a value in the middle of a URL");
	refuse("<a href=\"x{{url \"/a\"}}\">", "1: {{url}} begins a URL");
}

static void test_template_refuses_unsafe_places(void **state)
{
	(void)state;
	refuse("<p title={{step}}>", "1: a value in an attribute without double quotes");
	refuse("<p title='{{step}}'>", "1: a value in an attribute without double quotes");
	refuse("<p title=a{{step}}>", "1: a value in an attribute without double quotes");
	refuse("\n\n<{{step}}>", "3: a value in a tag's name");
	refuse("<p{{step}}>", "1: a value in a tag's name");
	refuse("<p {{step}}>", "1: a value in place of an attribute");
	refuse("<p a{{step}}=\"b\">", "1: a value in place of an attribute");
	refuse("<script>{{json step}}</script>", "1: a value inside script or style");
	refuse("<script type=\"text/javascript\">{{json step}}</script>",
	       "1: a value inside script or style");
	refuse("<style>{{step}}</style>", "1: a value inside script or style");
	refuse("<script type=\"application/json\">{{step}}</script>", "1: only {{json");
	refuse("<!-- {{step}} -->", "1: a value in a comment");
	refuse("<!doctype {{step}}>", "1: a value in a comment or declaration");
	refuse("<p onclick=\"{{step}}\">", "1: a value inside script, style or srcset");
	refuse("<p STYLE=\"{{step}}\">", "1: a value inside script, style or srcset");
	refuse("<iframe srcdoc=\"{{step}}\">", "1: a value inside script, style or srcset");
}

static void test_template_if(void **state)
{
	(void)state;
	expect("{{if yes}}a{{else}}b{{end}}{{if no}}a{{else}}b{{end}}", "ab");
	expect("{{if zero}}z{{elif empty}}e{{elif none}}n{{elif null}}u{{elif missing}}m{{elif "
	       "words}}w{{else}}x{{end}}",
	       "w");
	expect("{{if not no}}a{{end}}{{if not yes}}b{{end}}{{if n}}c{{end}}{{if a}}d{{end}}{{if "
	       "d}}e{{end}}",
	       "acde");
	expect("{{if step == \"csv\"}}a{{end}}{{if step != \"csv\"}}b{{end}}{{if n == "
	       "1234567}}c{{end}}{{if not step == \"x\"}}d{{end}}",
	       "acd");
	expect("{{if a.b.c == list.0.x}}a{{elif missing == \"\"}}b{{end}}", "b");
	expect("<input{{if yes}} checked{{end}}{{if no}} disabled{{end}} name=\"a\">",
	       "<input checked name=\"a\">");
	expect("<input {{if yes}}value=\"{{step}}\"{{else}}hidden{{end}}>",
	       "<input value=\"csv\">");
	expect("<td class=\"a{{if yes}} b{{end}}\">", "<td class=\"a b\">");
	expect("{{if yes}}{{if no}}a{{else}}b{{end}}{{end}}", "b");
	refuse("{{if yes}}<a{{else}}b{{end}}", "1: the branches end in different places");
	refuse("{{if yes}}<a href=\"{{end}}x\">", "1: the branches end in different places");
	refuse("{{if yes}}<script>{{end}}", "1: the branches end in different places");
}

static void test_template_for(void **state)
{
	(void)state;
	expect("{{for x in list}}{{x_index}}:{{x.x}}{{for y in x.in}}[{{y}}{{x.x}}{{if "
	       "y_last}}!{{end}}]{{end}}{{if not x_last}},{{end}}{{end}}",
	       "0:1[a1][b1!],1:&lt;2&gt;");
	expect("{{for x in none}}a{{end}}{{for x in missing}}b{{end}}{{for x in step}}c{{end}}",
	       "");
	expect("{{for x in words}}{{if x_first}}first {{end}}{{x}}{{end}}{{x}}", "first qr");
	/* The inner variable hides the model's and the outer one. */
	expect("{{for step in words}}{{for n in words}}{{step}}{{n}} {{end}}{{end}}{{step}}",
	       "qq qr rq rr csv");
	expect("<ul>{{for x in words}}<li class=\"{{x}}\">{{end}}</ul>",
	       "<ul><li class=\"q\"><li class=\"r\"></ul>");
	refuse("{{for x in words}}<p {{end}}>", "1: a round of {{for}}");
	refuse("{{for x words}}a{{end}}", "1: written {{for x in list}}");
	refuse("{{for x.y in words}}a{{end}}", "1: written {{for x in list}}");
}

static void test_template_words(void **state)
{
	(void)state;
	expect("{{t \"hello\" name=name n=n size=size}}",
	       "Hello &lt;b&gt;&amp;&quot;&#39;, 1,234,567 files, 1.5\xC2\xA0KB.");
	expect("{{t \"hello\" name=\"x\"}}", "Hello x,  files, .");
	expect(
	    "{{t \"no.such\"}} {{T \"step.\" step}} {{T \"no.\" step}} {{T \"hello\" name=step}}",
	    "no.such Table no.csv Hello csv,  files, .");
	expect("{{t \"long\"}}", "one two");
	CLEAN_FREE char *zh = print(
	    "{{t \"long\"}} {{T \"step.\" step}} {{t \"only\"}} {{t \"hello\" name=zh}}", LANG_ZH);
	assert_string_equal(zh, "一二 表 English 你好 中 文");
	refuse("{{t key}}", "1: {{t}} takes a key in quotes");
	refuse("{{t \"a\" b}}", "1: arguments are written name=value");
	refuse("{{t \"a\" b=}}", "1: arguments are written name=value");
}

static void test_template_problems(void **state)
{
	(void)state;
	expect("{{problem p}} {{hint p}}",
	       "Column “‹lat›” of c.csv holds no numbers: row 2 has “Bei·jing”. Choose the column "
	       "with the latitude (‹lat›).");
	expect("{{problem q}}|{{hint q}}|{{problem missing}}|{{problem r}}",
	       "never_heard|||Exceeds 100 MB.");
}

static void test_template_formats(void **state)
{
	(void)state;
	expect("{{bytes size}} {{bytes missing}} {{bytes step}}", "1.5\xC2\xA0KB  csv");
	expect("{{num n}} {{num neg}} {{num zero}} {{num d}} {{num step}}",
	       "1,234,567 -1,234 0 12.4 csv");
	expect("{{big}} {{num big}} {{num long}} {{long}} {{num tiny}} {{num huge}}",
	       "5299000 5299000 47.84434141 47.84434140845486 1e-05 -3.402823466e+38");
	expect("{{date ms}} {{date iso}} {{date step}} {{date missing}}",
	       "2026-11-22 10:00 UTC 2026-11-22 10:00 UTC csv ");
}

static void test_template_include(void **state)
{
	(void)state;
	write_file("part.html", "[{{step}}{{x}}]\n");
	write_file("loop.html", "{{include \"loop\"}}");
	write_file("open.html", "<p ");
	expect("a\n  {{include \"part\"}}  \nb", "a\n[csv]\nb");
	expect("{{for x in words}}{{include \"part\"}}{{end}}", "[csvq]\n[csvr]\n");
	CLEAN_FREE char *circle = print("{{include \"loop\"}}", LANG_EN);
	assert_non_null(strstr(circle, "loop:1: {{include \"loop\"}} goes round in a circle"));
	CLEAN_FREE char *open = print("{{include \"open\"}}", LANG_EN);
	assert_non_null(strstr(open, "open.html:1: the template ends inside a tag"));
	CLEAN_FREE char *none = print("{{include \"nothing\"}}", LANG_EN);
	assert_non_null(strstr(none, "nothing.html"));
	CLEAN_FREE char *climb = print("{{include \"../x\"}}", LANG_EN);
	assert_non_null(strstr(climb, "error: "));
	refuse("<p {{include \"part\"}}>", "1: {{include}} inside a tag");
	refuse("{{include part}}", "1: written {{include");
}

static void test_template_syntax_errors(void **state)
{
	(void)state;
	refuse("a\nb {{name", "2: {{ without }}");
	refuse("{{}}", "1: a tag that cannot be read");
	refuse("{{name &}}", "1: a tag that cannot be read");
	refuse("{{\"open}}", "1: a tag that cannot be read");
	refuse("{{raw name}}", "1: no such verb");
	refuse("{{u name name}}", "1: too many words");
	refuse("{{end}}", "1: {{end}}, {{else}} or {{elif}} without");
	refuse("{{else}}", "1: {{end}}, {{else}} or {{elif}} without");
	refuse("\n{{if a}}\n", "2: {{if}} without {{end}}");
	refuse("\n{{for x in a}}\n", "2: {{for}} without {{end}}");
	refuse("{{for x in a}}{{else}}{{end}}", "1: {{for}} without {{end}}");
	refuse("{{if a}}{{else}}{{else}}{{end}}", "1: nothing follows {{else}}");
	refuse("{{if}}{{end}}", "1: a name is wanted here");
	refuse("{{if a b}}{{end}}", "1: a condition is");
	refuse("{{if a ==}}{{end}}", "1: nothing to compare with");
	refuse("{{if .a}}{{end}}", "1: a name is wanted here");
	refuse("<p>\n<p ", "2: the template ends inside");
	refuse("<script>", "1: the template ends inside");
}

/* A line with nothing but a block tag leaves nothing behind. */
static void test_template_block_lines_vanish(void **state)
{
	(void)state;
	expect("<ul>\n{{for x in words}}\n  <li>{{x}}</li>\n{{end}}\n</ul>\n",
	       "<ul>\n  <li>q</li>\n  <li>r</li>\n</ul>\n");
	expect("{{# nothing }}\n\t{{if yes}}\t\na\n  {{else}}\nb\n{{end}}", "a\n");
	expect("a {{if yes}}\nb{{end}}\nc", "a \nb\nc");
	expect("{{step}}\n{{step}}\n", "csv\ncsv\n");
}

static void test_template_deep_nesting_is_refused(void **state)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	(void)state;
	for (int i = 0; i < 100; i++)
		fputs("{{if a}}", out);
	assert_int_equal(fclose(out), 0);
	refuse(text, "1: blocks nested too deep");
	free(text);
}

static void test_words_files_are_checked(void **state)
{
	static const char *const bad[] = {"no equals\n", "  continued nothing\n", "a = 1\na = 2\n",
					  "a = \xFF\n", "= x\n"};
	struct words *w;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct error error = {0};
		write_file("text.zh", bad[i]);
		assert_int_equal(words_load(dir, &w, &error), ERR_INTERNAL);
		assert_non_null(strstr(error.text, "text.zh"));
	}
	set_up(state);
}

static void test_words_values_are_cut(void **state)
{
	struct words *w;
	struct error error = {0};
	CLEAN_JSON json_object *p = json_object_new_object();
	char value[301];

	(void)state;
	for (size_t i = 0; i < 300; i += 3)
		memcpy(value + i, "中", 3);
	value[300] = '\0';
	json_set_str(p, "code", "size");
	json_set_str(p, "limit", value);
	assert_int_equal(words_load(dir, &w, &error), ERR_OK);
	CLEAN_FREE char *text = words_problem(w, LANG_EN, p);
	assert_int_equal(strlen(text), strlen("Exceeds .") + 80 * 3 + strlen("…"));
	CLEAN_FREE char *raw = words_fill(w, LANG_EN, "problem.size", p);
	assert_int_equal(strlen(raw), strlen("Exceeds .") + 300);
	assert_string_equal(words_get(w, LANG_ZH, "nowhere"), "nowhere");
	words_free(w);
}

static char *counted(const struct words *w, enum lang lang, const char *key, const char *name,
		     int64_t n)
{
	CLEAN_JSON json_object *args = json_object_new_object();

	json_set_int(args, name, n);
	return words_fill(w, lang, key, args);
}

/*
 * One of something has words of its own where the language has them; the language goes before the
 * number.
 */
static void test_words_one_is_not_many(void **state)
{
	struct words *w;
	struct error error = {0};
	CLEAN_JSON json_object *p = NULL;
	static const struct {
		enum lang lang;
		const char *key, *name, *text;
		int64_t n;
	} cases[] = {
	    {LANG_EN, "rows", "count", "0 rows", 0},
	    {LANG_EN, "rows", "count", "1 row", 1},
	    {LANG_EN, "rows", "count", "1,001 rows", 1001},
	    {LANG_ZH, "rows", "count", "1 行", 1},
	    {LANG_EN, "most", "limit", "Not more than 1 file.", 1},
	    {LANG_ZH, "most", "limit", "Not more than 1 file.", 1},
	    {LANG_EN, "step.csv", "count", "Table", 1},
	};

	(void)state;
	assert_int_equal(words_load(dir, &w, &error), ERR_OK);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		CLEAN_FREE char *text =
		    counted(w, cases[i].lang, cases[i].key, cases[i].name, cases[i].n);
		assert_string_equal(text, cases[i].text);
	}
	for (int64_t n = 1; n <= 2; n++) {
		json_object_put(p);
		p = json_object_new_object();
		json_set_str(p, "code", "bad");
		json_set(p, "args", json_object_new_object());
		json_set_int(json_get(p, "args"), "count", n);
		json_set_int(json_get(p, "args"), "limit", 3 - n);
		CLEAN_FREE char *text = words_problem(w, LANG_EN, p);
		assert_string_equal(text, n == 1 ? "1 row of 2 is bad." : "2 rows of 1 are bad.");
	}
	words_free(w);
}

static void test_pages_reload_when_told(void **state)
{
	struct pages *pages;
	struct error error = {0};

	(void)state;
	for (int reload = 0; reload < 2; reload++) {
		char *text = NULL;
		size_t len;
		FILE *out = open_memstream(&text, &len);
		assert_int_equal(setenv("SLIPWAY_RELOAD", reload == 1 ? "1" : "0", 1), 0);
		write_file("t.html", "old");
		assert_int_equal(pages_load(dir, &pages, &error), ERR_OK);
		assert_int_equal(pages_print(pages, "t", NULL, "", LANG_EN, out, &error), ERR_OK);
		write_file("t.html", " newer");
		assert_int_equal(pages_print(pages, "t", NULL, "", LANG_EN, out, &error), ERR_OK);
		assert_int_equal(fclose(out), 0);
		assert_string_equal(text, reload == 1 ? "old newer" : "oldold");
		free(text);
		pages_free(pages);
	}
	unsetenv("SLIPWAY_RELOAD");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_template_values),
	    cmocka_unit_test(test_template_escapes_by_context),
	    cmocka_unit_test(test_template_links),
	    cmocka_unit_test(test_template_refuses_unsafe_places),
	    cmocka_unit_test(test_template_if),
	    cmocka_unit_test(test_template_for),
	    cmocka_unit_test(test_template_words),
	    cmocka_unit_test(test_template_problems),
	    cmocka_unit_test(test_template_formats),
	    cmocka_unit_test(test_template_include),
	    cmocka_unit_test(test_template_syntax_errors),
	    cmocka_unit_test(test_template_block_lines_vanish),
	    cmocka_unit_test(test_template_deep_nesting_is_refused),
	    cmocka_unit_test(test_words_files_are_checked),
	    cmocka_unit_test(test_words_values_are_cut),
	    cmocka_unit_test(test_words_one_is_not_many),
	    cmocka_unit_test(test_pages_reload_when_told),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
