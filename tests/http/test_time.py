"""Goal: the time step parses dates, texts and years of both ends, counts instants right, and tells what is wrong with which code
(wizard.md 12; cases 28, 29; section 21, row on time)."""
import datetime

from harness import main
from made import shapefile, WGS84
from steps import code, finished, get, package, post, saved, state, table

DAY_MS = 86_400_000


def timed(server, name, columns, lines, **fields):
    """A session of points with more columns that has its csv and srs input and wants the time step."""
    session = saved(server, table(f"{name}.csv", "lat,lng," + columns, *(f"1,2,{line}" for line in lines)), time="true", **fields)
    assert post(server, session, "csv", lat="lat", lng="lng").status == 200
    assert post(server, session, "srs", source="EPSG:4326").status == 200
    return session


def ms(year, month=1, day=1, hour=0):
    return int(datetime.datetime(year, month, day, hour, tzinfo=datetime.timezone.utc).timestamp() * 1000)


def instants(server, dataset, what="_time_start"):
    with package(server, dataset) as db:
        (name,), = db.execute("SELECT table_name FROM gpkg_contents")
        return [r[0] for r in db.execute(f'SELECT {what} FROM "{name}" ORDER BY fid')]


def refused(server, session, want, **fields):
    """Strict and compat clients and pages say 400; GeoNode's client looks for "Invalid Submission"."""
    a = post(server, session, "time", **fields)
    assert a.status == 400 and code(a) == want, (want, a)
    b = server.post(f"/upload/time?id={session}&force_ajax=true", fields)
    assert b.status == 400 and b.json["code"] == want and b.json["errors"][0].startswith("Invalid Submission"), b
    page = server.post(f"/upload/time?id={session}", fields, accept="text/html")
    assert page.status == 400 and 'role="alert"' in page.text, page
    return a.json["details"][0]


def imported(server, session, **fields):
    a = post(server, session, "time", **fields)
    assert a.status == 200, a
    return finished(server, session)["dataset"], a.json


def test_hundred_dates_are_hundred_positions(server):
    first = datetime.date(2020, 1, 1)
    days = [(first + datetime.timedelta(days=i)).isoformat() for i in range(100)]
    session = timed(server, "daily", "day", days)
    a = get(server, session, "time")
    page = a.json["page"]
    assert a.json["required_input"] is True and page["time_names"] == ["day"] and len(page["layer_values"]) == 20, page
    assert page["strategies"] == ["LIST", "DISCRETE_INTERVAL", "CONTINUOUS_INTERVAL"] and "async_upload" in page, page
    assert page["parse"]["day"]["ok"] == 100 and page["parse"]["day"]["bad"] == 0, page["parse"]
    d, _ = imported(server, session, time_attribute="day")
    t = d["time"]
    assert t["positions"] == 100 and t["attribute"] == "day" and t["end_attribute"] is None and t["presentation"] == "LIST", t
    assert instants(server, d["id"]) == [ms(2020) + i * DAY_MS for i in range(100)]
    with package(server, d["id"]) as db:
        assert [r[1] for r in db.execute("PRAGMA table_info(daily)")].count("day") == 1      # the original column stays


def test_the_sample_shapefile_of_dates(server):
    days = [datetime.date(2000, 1, 1) + datetime.timedelta(days=i * 31) for i in range(5)]
    session = saved(server, *shapefile("boxes", [(i, i) for i in range(5)], [("when", 10, [d.isoformat().encode() for d in days])],
                                       prj=WGS84), time="true")
    a = get(server, session, "check")
    assert "/upload/time" in a.json["redirect_to"] and a.json["required_input"] is True, a
    page = get(server, session, "time").json["page"]
    assert page["text_names"] == ["when"] and page["time_names"] == [], page
    d, _ = imported(server, session, text_attribute="when", presentation_strategy="discrete_interval", precision_value="1",
                    precision_step="months")
    assert d["time"]["presentation"] == "DISCRETE_INTERVAL" and d["time"]["precision_step"] == "months", d["time"]
    assert str(d["time"]["precision_value"]) == "1" and d["time"]["positions"] == 5


def test_both_ends_are_parsed_with_their_own_format(server):
    session = timed(server, "spans", "a,b", ["2017-03-01,31.03.2017", "2018-05-01,30.06.2018"])
    d, _ = imported(server, session, time_attribute="a", end_text_attribute="b")
    assert instants(server, d["id"]) == [ms(2017, 3, 1), ms(2018, 5, 1)]
    assert instants(server, d["id"], "_time_end") == [ms(2017, 3, 31), ms(2018, 6, 30)]
    assert d["time"]["attribute"] == "a" and d["time"]["end_attribute"] == "b" and d["time"]["positions"] == 2, d["time"]


def test_years_before_christ_and_whole_numbers(server):
    session = timed(server, "ancient", "era,built_year", ["-0501-03-01T00:00:00Z,1900.000", "0079-08-24T00:00:00Z,1901.000",
                                                         "1969-07-20T20:17:00Z,1902.000"])
    page = get(server, session, "time").json["page"]
    assert "built_year" in page["year_names"] and "era" in page["text_names"] + page["time_names"], page
    field = "text_attribute" if "era" in page["text_names"] else "time_attribute"
    d, _ = imported(server, session, **{field: "era"})
    got = instants(server, d["id"])
    assert got[2] == ms(1969, 7, 20, 20) + 17 * 60_000 and got[1] == int(
        (datetime.datetime(79, 8, 24) - datetime.datetime(1970, 1, 1)).total_seconds() * 1000), got
    # -0501-03-01: 501 proleptic Gregorian years of days before 0000-03-01, in astronomical numbering.
    days = (datetime.date(1499, 3, 1) - datetime.date(1970, 1, 1)).days - 5 * 146_097
    assert got[0] == days * DAY_MS, (got[0], days * DAY_MS)
    assert d["time"]["start"] == "-0501-03-01T00:00:00Z", d["time"]
    session = timed(server, "years", "built_year", ["1900.000", "1901.000", "1902.000"])
    d, _ = imported(server, session, year_attribute="built_year")
    assert instants(server, d["id"]) == [ms(1900), ms(1901), ms(1902)], d


def test_year_as_end_is_its_last_instant(server):
    session = timed(server, "reigns", "from_year,to_year", ["1900,1910", "1911,1920"])
    d, _ = imported(server, session, year_attribute="from_year", end_year_attribute="to_year")
    assert instants(server, d["id"], "_time_end") == [ms(1911) - 1, ms(1921) - 1], instants(server, d["id"], "_time_end")


def test_impossible_date_is_a_bad_row(server):
    lines = ["2017-02-28", "2017-02-31"] + ["2017-03-%02d" % i for i in range(1, 11)]
    session = timed(server, "feb", "day", lines)
    page = get(server, session, "time").json["page"]
    assert page["text_names"] == ["day"] and page["parse"]["day"]["bad"] == 1, page["parse"]
    assert page["parse"]["day"]["first_bad"] == {"row": 3, "value": "2017-02-31"}, page["parse"]
    html = server.post(f"/upload/time?id={session}", {"text_attribute": "day"}, accept="text/html")
    assert html.status == 400 and 'name="confirm"' in html.text and "2017-02-31" in html.text, html
    d, j = imported(server, session, text_attribute="day")
    warning, = [w for w in j["warnings"] if w["code"] == "time_bad_rows"]
    assert "2017-02-31" in warning["message"] or warning["value"] == "2017-02-31", warning
    got = instants(server, d["id"])
    assert got[0] == ms(2017, 2, 28) and got[1] is None and d["time"]["positions"] == 11, got


def test_chinese_format(server):
    session = timed(server, "cn", "日期", ["2017年03月04日", "2018年11月12日"])
    d, _ = imported(server, session, text_attribute="日期", text_attribute_format="yyyy年MM月dd日")
    assert instants(server, d["id"]) == [ms(2017, 3, 4), ms(2018, 11, 12)]


def test_day_and_month_are_not_guessed(server):
    session = timed(server, "amb", "day", ["03/04/2017", "05/06/2017", "07/08/2017"])
    d = refused(server, session, "time_ambiguous_format", text_attribute="day")
    assert "d/M/yyyy" in str(d) and "M/d/yyyy" in str(d), d
    d, _ = imported(server, session, text_attribute="day", text_attribute_format="d/M/yyyy")
    assert instants(server, d["id"]) == [ms(2017, 4, 3), ms(2017, 6, 5), ms(2017, 8, 7)]
    session = timed(server, "clear", "day", ["03/04/2017", "25/06/2017"])
    d, _ = imported(server, session, text_attribute="day")
    assert instants(server, d["id"]) == [ms(2017, 4, 3), ms(2017, 6, 25)]


def test_time_zone_for_values_without_one(server):
    session = timed(server, "zone", "stamp", ["2020-01-01 08:00:00", "2020-01-01 09:30:00"])
    page = get(server, session, "time").json["page"]
    field = "time_attribute" if page["time_names"] else "text_attribute"
    d, _ = imported(server, session, time_zone="+08:00", **{field: "stamp"})
    assert instants(server, d["id"]) == [ms(2020), ms(2020) + 5_400_000], instants(server, d["id"])


def three_kinds(server):
    """The columns of GeoNode's own test vectors."""
    return timed(server, "kinds", "start_date,end_date,start_text,end_text,start_year,end_year",
                 ["2017-01-01,2017-02-01,2017年1月1日,2017年2月1日,2017,2018", "2018-01-01,2018-02-01,2018年1月1日,2018年2月1日,2018,2019"])


def test_vectors_of_the_original(server):
    session = three_kinds(server)
    page = get(server, session, "time").json["page"]
    assert set(page["time_names"]) == {"start_date", "end_date"} and set(page["text_names"]) == {"start_text", "end_text"}, page
    assert set(page["year_names"]) == {"start_year", "end_year"}, page
    refused(server, session, "time_multiple_start", time_attribute="start_date", text_attribute="start_text")
    a = post(server, session, "time", time_attribute="start_date")
    assert a.status == 200, a
    d, _ = imported(server, session, text_attribute="start_text", end_year_attribute="end_year")
    assert d["time"]["attribute"] == "start_text" and d["time"]["end_attribute"] == "end_year", d["time"]
    assert instants(server, d["id"], "_time_end") == [ms(2019) - 1, ms(2020) - 1]


def test_each_mistake_has_its_code(server):
    session = three_kinds(server)
    before = state(server, session)
    good = {"time_attribute": "start_date"}
    for want, fields in (
            ("time_multiple_start", {**good, "year_attribute": "start_year"}),
            ("time_multiple_end", {**good, "end_time_attribute": "end_date", "end_text_attribute": "end_text"}),
            ("time_end_without_start", {"end_time_attribute": "end_date"}),
            ("time_bad_column", {"time_attribute": "start_text"}),
            ("time_bad_column", {"time_attribute": "nosuch"}),
            ("time_bad_column", {**good, "end_year_attribute": "lat"}),
            ("time_bad_strategy", {**good, "presentation_strategy": "SOMETIMES"}),
            ("time_bad_precision", {**good, "presentation_strategy": "DISCRETE_INTERVAL", "precision_value": "1.5",
                                    "precision_step": "days"}),
            ("time_bad_precision", {**good, "presentation_strategy": "DISCRETE_INTERVAL", "precision_value": "0",
                                    "precision_step": "days"}),
            ("time_bad_precision", {**good, "presentation_strategy": "DISCRETE_INTERVAL", "precision_value": "1",
                                    "precision_step": "fortnights"}),
            ("time_bad_precision", {**good, "precision_value": "1"}),
            ("time_precision_missing", {**good, "presentation_strategy": "DISCRETE_INTERVAL"}),
            ("time_bad_format", {"text_attribute": "start_text", "text_attribute_format": "QQQ"}),
            ("time_bad_zone", {**good, "time_zone": "Mars"}),
            ("time_no_value_parses", {"text_attribute": "start_text", "text_attribute_format": "dd.MM.yyyy"}),
            ("time_end_before_start", {"time_attribute": "end_date", "end_time_attribute": "start_date"})):
        d = refused(server, session, want, **fields)
        if want == "time_bad_format":
            assert "Q" in d["message"], d
    after = state(server, session)
    assert {k: v for k, v in after.items() if k != "date"} == {k: v for k, v in before.items() if k != "date"}


def test_no_start_means_no_time(server):
    session = three_kinds(server)
    a = post(server, session, "time", time_attribute="<None>", text_attribute="None", year_attribute="")
    assert a.status == 200, a
    assert finished(server, session)["dataset"]["time"] is None


def test_final_alone_means_no_time(server):
    session = three_kinds(server)
    assert get(server, session, "final").json["status"] in ("finished", "pending")
    assert server.wait_finished(session).json["dataset"]["time"] is None


if __name__ == "__main__":
    import test_time
    main(test_time)
