#include "geo/kml.h"

#include <expat.h>
#include <fcntl.h>
#include <math.h>
#include <string.h>
#include "base/fs.h"
#include "base/mem.h"
#include "base/text.h"
#include "geo/content.h"
#include "geo/xmlgate.h"

#define BASE_MEMORY (256LL << 20) /* bytes of address space before anything is read */
#define MAX_TEXT    900		  /* bytes of a number or a href */

enum part { PART_NONE, PART_NORTH, PART_SOUTH, PART_EAST, PART_WEST, PART_ROTATION, PART_HREF };

struct survey {
	struct kml_survey *out;
	int depth;
	int overlay_depth;     /* of the GroundOverlay at hand, 0 = outside */
	int place_depth;       /* of the Placemark at hand, 0 = outside */
	bool geometry, track;  /* seen in it */
	int data_depth;	       /* of the ExtendedData at hand, 0 = outside */
	bool coordinates;      /* inside them */
	int numbers;	       /* of the piece of them at hand, which ends at a blank */
	bool in_number, comma; /* what it ends with, up to here */
	/* inside a value of ExtendedData, a moment of a TimeSpan; blank up to here */
	bool value, moment;
	bool icon, box; /* inside Icon, inside LatLonBox */
	enum part part;
	unsigned sides; /* bits of PART_NORTH … PART_WEST seen */
	char text[MAX_TEXT + 1];
	size_t len;
};

static const char *local_name(const char *name)
{
	const char *colon = strchr(name, ':');

	return colon != NULL ? colon + 1 : name;
}

static enum part part_of(const struct survey *s, const char *name)
{
	static const char *const names[] = {
	    [PART_NORTH] = "north", [PART_SOUTH] = "south",	  [PART_EAST] = "east",
	    [PART_WEST] = "west",   [PART_ROTATION] = "rotation",
	};

	if (s->icon && strcmp(name, "href") == 0)
		return PART_HREF;
	for (enum part p = PART_NORTH; s->box && p <= PART_ROTATION; p++)
		if (strcmp(name, names[p]) == 0)
			return p;
	return PART_NONE;
}

static void end_piece(struct survey *s)
{
	s->out->spaced += s->numbers == 1 || (s->numbers == 0 && s->comma);
	s->out->commas += s->numbers == 2 && s->comma;
	s->numbers = 0;
	s->in_number = s->comma = false;
}

static void take_coordinates(struct survey *s, const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		bool blank =
		    text[i] == ' ' || text[i] == '\n' || text[i] == '\t' || text[i] == '\r';

		if (blank) {
			end_piece(s);
			continue;
		}
		s->comma = text[i] == ',';
		s->numbers += !s->comma && !s->in_number;
		s->in_number = !s->comma;
	}
}

static void begin_placemark(struct survey *s)
{
	s->out->placemarks++;
	s->place_depth = s->depth;
	s->geometry = s->track = false;
}

static void in_placemark(struct survey *s, const char *name)
{
	static const char *const read[] = {"Point", "LineString", "Polygon", "MultiGeometry"};

	for (size_t i = 0; i < sizeof(read) / sizeof(read[0]); i++)
		s->geometry = s->geometry || strcmp(name, read[i]) == 0;
	s->track = s->track || strcmp(name, "Track") == 0;
	s->out->times += strcmp(name, "TimeSpan") == 0 || strcmp(name, "TimeStamp") == 0;
	s->out->addresses += strcmp(name, "address") == 0 || strcmp(name, "phoneNumber") == 0;
}

static void begin_data(struct survey *s)
{
	s->out->extended++;
	s->data_depth = s->depth;
}

static void end_placemark(struct survey *s)
{
	s->place_depth = 0;
	if (!s->geometry && s->track)
		s->out->tracks++;
	else if (!s->geometry)
		s->out->bare++;
}

static void on_start(void *user, const char *qualified, const char **attributes)
{
	struct survey *s = user;
	const char *name = local_name(qualified);

	(void)attributes;
	s->depth++;
	if (s->place_depth > 0)
		in_placemark(s, name);
	s->coordinates = strcmp(name, "coordinates") == 0;
	s->value =
	    s->data_depth > 0 && (strcmp(name, "value") == 0 || strcmp(name, "SimpleData") == 0);
	s->moment =
	    s->place_depth > 0 && !s->track &&
	    (strcmp(name, "when") == 0 || strcmp(name, "begin") == 0 || strcmp(name, "end") == 0);
	s->out->foreign += s->data_depth > 0 && s->depth == s->data_depth + 1 &&
			   strcmp(name, "Data") != 0 && strcmp(name, "SchemaData") != 0;
	if (strcmp(name, "Placemark") == 0)
		begin_placemark(s);
	else if (strcmp(name, "NetworkLink") == 0)
		s->out->links++;
	else if (strcmp(name, "ScreenOverlay") == 0 || strcmp(name, "PhotoOverlay") == 0)
		s->out->others++;
	else if (strcmp(name, "ExtendedData") == 0)
		begin_data(s);
	else if (strcmp(name, "GroundOverlay") == 0 && s->out->overlays++ == 0)
		s->overlay_depth = s->depth;
	if (s->overlay_depth == 0)
		return;
	s->icon = s->icon || strcmp(name, "Icon") == 0;
	s->box = s->box || strcmp(name, "LatLonBox") == 0;
	s->part = part_of(s, name);
	s->len = 0;
}

static void on_text(void *user, const char *text, int len)
{
	struct survey *s = user;
	size_t n = (size_t)len;

	if (s->coordinates)
		take_coordinates(s, text, n);
	for (size_t i = 0; i < n && (s->value || s->moment); i++)
		if (strchr(" \t\r\n", text[i]) == NULL) {
			s->out->values += s->value;
			s->out->moments += s->moment;
			s->value = s->moment = false;
		}
	if (s->part == PART_NONE)
		return;
	if (n > MAX_TEXT - s->len)
		n = MAX_TEXT - s->len;
	memcpy(s->text + s->len, text, n);
	s->len += n;
}

static void take(struct survey *s)
{
	CLEAN_FREE char *value = NULL;
	double v;

	s->text[s->len] = '\0';
	value = text_trim(s->text);
	if (value == NULL)
		return;
	if (s->part == PART_HREF) {
		if (s->out->href == NULL)
			s->out->href = mem_strdup(value);
		return;
	}
	if (!text_double(value, &v))
		return;
	s->sides |= 1u << s->part;
	switch (s->part) {
	case PART_WEST:
		s->out->box[0] = v;
		break;
	case PART_SOUTH:
		s->out->box[1] = v;
		break;
	case PART_EAST:
		s->out->box[2] = v;
		break;
	case PART_NORTH:
		s->out->box[3] = v;
		break;
	case PART_ROTATION:
		s->out->rotation = v;
		break;
	case PART_NONE:
	case PART_HREF:
		break;
	}
}

static void on_end(void *user, const char *qualified)
{
	struct survey *s = user;
	const char *name = local_name(qualified);

	if (s->part != PART_NONE)
		take(s);
	s->part = PART_NONE;
	if (s->coordinates)
		end_piece(s);
	s->coordinates = s->value = s->moment = false;
	if (s->depth == s->data_depth)
		s->data_depth = 0;
	if (s->depth == s->place_depth)
		end_placemark(s);
	if (s->depth-- == s->overlay_depth)
		s->overlay_depth = 0;
	if (strcmp(name, "Icon") == 0)
		s->icon = false;
	if (strcmp(name, "LatLonBox") == 0)
		s->box = false;
}

enum err kml_survey(const char *path, struct kml_survey *ret)
{
	CLEAN_FREE struct survey *s = mem_alloc(sizeof(*s));
	XML_Parser parser = XML_ParserCreate(NULL);
	bool whole;

	if (parser == NULL)
		mem_die();
	*ret = (struct kml_survey){0};
	s->out = ret;
	XML_SetUserData(parser, s);
	XML_SetElementHandler(parser, on_start, on_end);
	XML_SetCharacterDataHandler(parser, on_text);
	whole = xml_parse_file(parser, path);
	ret->boxed = (s->sides &
		      (1u << PART_NORTH | 1u << PART_SOUTH | 1u << PART_EAST | 1u << PART_WEST)) ==
		     (1u << PART_NORTH | 1u << PART_SOUTH | 1u << PART_EAST | 1u << PART_WEST);
	return whole ? ERR_OK : ERR_BAD_REQUEST;
}

void kml_survey_done(struct kml_survey *s)
{
	free(s->href);
	s->href = NULL;
}

static void warn_skipped(struct job *job, const struct source *src, const char *elements, int64_t n)
{
	if (n > 0)
		job_warn(job,
			 problem_arg_int(problem_arg(problem_str(problem_new("elements_skipped"),
								 "file", src->file),
						     "elements", elements),
					 "count", n));
}

/* The driver for an image by its first bytes; NULL: no image.  Static. */
static const char *driver_of_image(const char *path)
{
	static const char *const drivers[][2] = {
	    {"png", "PNG"}, {"jpeg", "JPEG"}, {"tiff", "GTiff"}};
	size_t len = 0;
	CLEAN_FREE char *head = content_head(path, &len);
	const char *magic = head != NULL ? bundle_magic(head, len) : "";

	for (size_t i = 0; i < sizeof(drivers) / sizeof(drivers[0]); i++)
		if (strcmp(drivers[i][0], magic) == 0)
			return drivers[i][1];
	return NULL;
}

static bool box_is_sane(const struct kml_survey *s)
{
	const double *b = s->box;

	return s->boxed && isfinite(b[0] + b[1] + b[2] + b[3] + s->rotation) && fabs(b[0]) <= 360 &&
	       fabs(b[2]) <= 360 && b[1] >= -90 && b[3] <= 90 && b[1] < b[3] && b[0] != b[2];
}

static enum err settle_overlay(struct job *job, struct source *src, const struct kml_survey *s,
			       kml_find_image *find, void *user)
{
	json_object *bounds = json_object_new_array();
	char *image;

	/* Across the antimeridian east is told as less than west. */
	for (int i = 0; i < 4; i++)
		json_object_array_add(bounds, json_object_new_double(i == 2 && s->box[2] < s->box[0]
									 ? s->box[2] + 360
									 : s->box[i]));
	src->kind = KIND_KML_OVERLAY;
	src->overlay = json_set(json_object_new_object(), "bounds", bounds);
	json_set_num(src->overlay, "rotation", s->rotation);
	if (!box_is_sane(s))
		return job_fail(job,
				problem_str(problem_new("format_unreadable"), "file", src->file));
	image = s->href != NULL ? find(job, user, s->href) : NULL;
	if (image == NULL)
		return job->problems != NULL
			   ? ERR_BAD_REQUEST
			   : job_fail(job, problem_arg(problem_str(problem_new("kml_image_"
									       "missing"),
								   "file", src->file),
						       "image", s->href != NULL ? s->href : ""));
	src->side[SOURCE_IMAGE] = image;
	src->driver = driver_of_image(image);
	if (src->driver == NULL)
		return job_fail(job,
				problem_arg(problem_arg(problem_str(problem_new("content_mismatch"),
								    "file", s->href),
							"expected", "png, jpg, tif"),
					    "sent", ""));
	return ERR_OK;
}

/* What of the placemarks of SRC does not come along. */
static enum err settle_features(struct job *job, struct source *src, const struct kml_survey *s,
				bool small)
{
	bool more =
	    s->extended > 0 || s->times > 0 || s->tracks > 0 || s->bare > 0 || s->spaced > 0;

	warn_skipped(job, src, "GroundOverlay", s->overlays);
	warn_skipped(job, src, "address, phoneNumber", s->addresses);
	if (more && small && s->commas == 0) {
		src->driver = "LIBKML";
		warn_skipped(job, src, "gx:Track/when", s->tracks);
		return ERR_OK;
	}
	if (s->spaced > 0)
		return job_fail(job,
				problem_str(problem_new("format_unreadable"), "file", src->file));
	warn_skipped(job, src, "ExtendedData", s->extended);
	warn_skipped(job, src, "TimeSpan, TimeStamp", s->times);
	warn_skipped(job, src, "gx:Track", s->tracks);
	warn_skipped(job, src, "Placemark", s->bare);
	return ERR_OK;
}

enum err kml_settle(struct job *job, struct source *src, kml_find_image *find, void *user)
{
	struct kml_survey s;
	/*
	 * The driver keeps the whole tree: nine bytes for each of the file, LIBKML eleven and of
	 * the oddest fifty.
	 */
	int64_t room = job_limit(job, "jail_memory") - BASE_MEMORY, most = room / 10,
		size = fs_size(AT_FDCWD, src->path);
	enum err e = ERR_OK;

	if (size > most)
		return job_fail(
		    job, problem_arg_int(problem_str(problem_new("kml_too_big"), "file", src->file),
					 "limit", most));
	if (kml_survey(src->path, &s) != ERR_OK) {
		e = job_fail(job, problem_str(problem_new("format_unreadable"), "file", src->file));
	} else if (s.placemarks == 0 && s.overlays > 1) {
		e = job_fail(job, problem_arg_int(
				      problem_str(problem_new("kml_overlays"), "file", src->file),
				      "count", s.overlays));
	} else {
		if (s.placemarks == 0 && s.overlays == 1)
			e = settle_overlay(job, src, &s, find, user);
		else
			e = settle_features(job, src, &s, size <= room / 24);
		warn_skipped(job, src, "NetworkLink", s.links);
		warn_skipped(job, src, "ScreenOverlay, PhotoOverlay", s.others);
		/* It is laid out as its box stands: a turned one would lie wrong without a word. */
		warn_skipped(job, src, "LatLonBox/rotation",
			     src->overlay != NULL && s.rotation != 0 ? 1 : 0);
	}
	kml_survey_done(&s);
	return e;
}
