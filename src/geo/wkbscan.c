#include "geo/wkbscan.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#define NESTING_MAX 32

struct scan {
	const unsigned char *p;
	size_t left;
	double env[4];
	bool any; /* a coordinate was met */
};

static bool take32(struct scan *s, uint32_t *ret)
{
	if (s->left < 4)
		return false;
	memcpy(ret, s->p, 4);
	s->p += 4;
	s->left -= 4;
	return true;
}

/* Points of DIMS doubles; only x and y count for the envelope, all must be finite. */
static bool points(struct scan *s, uint32_t n, size_t dims)
{
	if (n > s->left / (8 * dims))
		return false;
	if (n > 0 && !s->any) {
		s->env[0] = s->env[2] = INFINITY;
		s->env[1] = s->env[3] = -INFINITY;
		s->any = true;
	}
	for (uint32_t i = 0; i < n; i++) {
		double c[4], sum = 0;

		memcpy(c, s->p, 8 * dims);
		for (size_t k = 0; k < dims; k++)
			sum += c[k] * 0; /* NaN unless all are finite */
		if (sum != 0)
			return false;
		s->env[0] = c[0] < s->env[0] ? c[0] : s->env[0];
		s->env[1] = c[0] > s->env[1] ? c[0] : s->env[1];
		s->env[2] = c[1] < s->env[2] ? c[1] : s->env[2];
		s->env[3] = c[1] > s->env[3] ? c[1] : s->env[3];
		s->p += 8 * dims;
	}
	s->left -= 8 * dims * n;
	return true;
}

/* POINT EMPTY has NaN for x and y. */
static bool point(struct scan *s, size_t dims)
{
	double c[2];

	if (s->left < 8 * dims)
		return false;
	memcpy(c, s->p, 16);
	if (!isnan(c[0]) || !isnan(c[1]))
		return points(s, 1, dims);
	s->p += 8 * dims;
	s->left -= 8 * dims;
	return true;
}

static bool geometry(struct scan *s, int depth)
{
	uint32_t type, n;
	size_t dims;

	if (depth > NESTING_MAX || s->left < 1 || *s->p != 1)
		return false;
	s->p++;
	s->left--;
	if (!take32(s, &type) || type >= 4000)
		return false;
	dims = type < 1000 ? 2 : type < 3000 ? 3 : 4;
	type %= 1000;
	if (type == 1)
		return point(s, dims);
	if (type < 2 || type > 7 || !take32(s, &n))
		return false;
	if (type == 2)
		return points(s, n, dims);
	if (n > s->left / 4)
		return false;
	for (uint32_t i = 0; i < n; i++) {
		uint32_t m;

		if (type == 3 ? !take32(s, &m) || !points(s, m, dims) : !geometry(s, depth + 1))
			return false;
	}
	return true;
}

bool wkbscan(const unsigned char *wkb, size_t len, double env[4])
{
	struct scan s = {.p = wkb, .left = len, .env = {NAN, NAN, NAN, NAN}};

	if (!geometry(&s, 0) || s.left != 0)
		return false;
	memcpy(env, s.env, sizeof s.env);
	return true;
}
