/* Scores of a protein and a profile on a band of neighbouring diagonals: of the best segment, of the best alignment, and of all
 * alignments together.
 *
 * Called through ctypes by diagonals.py and work.py, which check the shapes; diagonals_in_numpy.py has the same in numpy. Scores are
 * whole numbers, or sums and products of floats in an order that is written down, so that no processor changes one; built without
 * fused operations.
 *
 * Tables have a row for each letter: `positions` positions between BAND more to each side. Protein p is
 * residues[offsets[p]]..residues[offsets[p + 1]]. The diagonals of a place are those on which the profile begins at one of the BAND
 * residues around a proposed one, which may lie outside of the protein.
 */
#include <math.h>
#include <stdint.h>
#include <string.h>

#include "compiled.h"

#define BAND 32
#define RESIDUES 20            /* the first letters */
#define LETTERS (RESIDUES + 1) /* and one for all others */
/* Scores that are good enough whatever follows: where 8 bits end, and far from where 16 do, with ROUND residues of at most 127 to come. */
#define SEGMENT_ENOUGH 127
#define ENOUGH 16384
#define ROUND 64

/* The lanes of a band, one for each diagonal, in two halves that fit the registers of most processors. */
#define HALF (BAND / 2)
typedef int8_t bytes __attribute__((vector_size(HALF)));
typedef int16_t words __attribute__((vector_size(2 * HALF)));
typedef struct {
    words low, high;
} lanes;

#if defined(__clang__)
#define SHUFFLE(one, other, ...) __builtin_shufflevector(one, other, __VA_ARGS__)
#else
#define SHUFFLE(one, other, ...) __builtin_shuffle(one, other, (words){__VA_ARGS__})
#endif

/* Written as a loop, it becomes one instruction. */
static inline words larger_words(words one, words other) {
    words result;
    for (int lane = 0; lane < HALF; lane++)
        result[lane] = one[lane] > other[lane] ? one[lane] : other[lane];
    return result;
}

static inline lanes larger(lanes one, lanes other) {
    return (lanes){larger_words(one.low, other.low), larger_words(one.high, other.high)};
}

static inline lanes minus(lanes from, int16_t cost) { return (lanes){from.low - cost, from.high - cost}; }

static inline lanes all(int16_t value) { return (lanes){(words){0} + value, (words){0} + value}; }

/* `one` where a > b, `other` elsewhere. */
static inline lanes where_larger(lanes a, lanes b, lanes one, lanes other) {
    const words low = a.low > b.low, high = a.high > b.high;
    return (lanes){(one.low & low) | (other.low & ~low), (one.high & high) | (other.high & ~high)};
}

static inline lanes smaller(lanes values, lanes most) { return where_larger(values, most, most, values); }

static inline lanes one_more(lanes lengths) { return minus(smaller(lengths, all(INT16_MAX - 1)), -1); }

static inline lanes plus_letters(lanes sums, const int8_t *letters) {
    bytes low, high;
    memcpy(&low, letters, sizeof low);
    memcpy(&high, letters + HALF, sizeof high);
    return (lanes){sums.low + __builtin_convertvector(low, words), sums.high + __builtin_convertvector(high, words)};
}

/* Each lane goes to the diagonal above; the lowest stays, too. */
static inline lanes raise_lanes(lanes from) {
    return (lanes){SHUFFLE(from.low, from.low, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14),
                   SHUFFLE(from.low, from.high, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30)};
}

/* Each lane goes to the diagonal below; the highest stays, too. */
static inline lanes lower_lanes(lanes from) {
    return (lanes){SHUFFLE(from.low, from.high, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16),
                   SHUFFLE(from.high, from.high, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 15)};
}

static inline int16_t largest_lane(lanes from, int16_t enough) {
    int16_t best = 0;
    for (int lane = 0; lane < HALF; lane++) {
        best = from.low[lane] > best ? from.low[lane] : best;
        best = from.high[lane] > best ? from.high[lane] : best;
    }
    return best < enough ? best : enough;
}

/* A place of a protein and a profile. */
typedef struct {
    const uint8_t *protein;
    int64_t first;    /* position beside residue 0 on the first diagonal; may lie beside the profile */
    int64_t from, to; /* residues that have a position on some diagonal */
} place;

static place place_of(const uint8_t *protein, int64_t length, int64_t positions, int64_t begin) {
    const int64_t first = -begin - BAND / 2;
    place p = {protein, first, -first - BAND + 1, positions - first};
    p.from = p.from > 0 ? p.from : 0;
    p.to = p.to < length ? p.to : length;
    return p;
}

FOR_EACH_PROCESSOR
static int16_t best_segment(place p, const int8_t *scores, int64_t width) {
    const lanes zero = {{0}, {0}};
    lanes sums = zero, largest = zero;
    int16_t best = 0;
    scores += BAND + p.first;
    while (p.from < p.to && best < SEGMENT_ENOUGH) {
        const int64_t stop = p.to - p.from < ROUND ? p.to : p.from + ROUND;
        for (; p.from < stop; p.from++) {
            sums = larger(plus_letters(sums, scores + p.protein[p.from] * width + p.from), zero);
            largest = larger(largest, sums);
        }
        best = largest_lane(largest, SEGMENT_ENOUGH);
    }
    return best;
}

#if HAS_X86
__attribute__((target("avx2")))
static int16_t largest_byte(__m256i of) {
    __m128i best = _mm_max_epi8(_mm256_castsi256_si128(of), _mm256_extracti128_si256(of, 1));
    best = _mm_max_epi8(best, _mm_srli_si128(best, 8));
    best = _mm_max_epi8(best, _mm_srli_si128(best, 4));
    best = _mm_max_epi8(best, _mm_srli_si128(best, 2));
    best = _mm_max_epi8(best, _mm_srli_si128(best, 1));
    return (int8_t)_mm_extract_epi8(best, 0);
}

/* The same in 8 bits, which stop at SEGMENT_ENOUGH by themselves; from `sums` and `largest` on. */
__attribute__((target("avx2")))
static int16_t finish_segment_avx2(place p, const int8_t *scores, int64_t width, __m256i sums, __m256i largest) {
    int64_t of_letter[LETTERS];
    for (int64_t letter = 0; letter < LETTERS; letter++)
        of_letter[letter] = letter * width + BAND + p.first;
    for (; p.from < p.to; p.from++) {
        const __m256i letters = _mm256_loadu_si256((const __m256i *)(scores + of_letter[p.protein[p.from]] + p.from));
        sums = _mm256_max_epi8(_mm256_adds_epi8(sums, letters), _mm256_setzero_si256());
        largest = _mm256_max_epi8(largest, sums);
    }
    return largest_byte(largest);
}

__attribute__((target("avx2")))
static int16_t best_segment_avx2(place p, const int8_t *scores, int64_t width) {
    return finish_segment_avx2(p, scores, width, _mm256_setzero_si256(), _mm256_setzero_si256());
}

#endif

/* The score of the best alignment that stays within the diagonals.
 *
 * A gap costs `open` for the first residue or position and `extend` for each further one. While positions are passed over, a
 * residue goes with each but the first, so that no lane waits for the one beside it.
 */
FOR_EACH_PROCESSOR
static int16_t best_alignment(place p, const int8_t *scores, int64_t width, int16_t open, int16_t extend) {
    const lanes zero = {{0}, {0}};
    /* Ends in an aligned pair, in positions and in residues passed over. Below 0 an alignment begins anew. */
    lanes aligned = zero, positions_passed = zero, residues_passed = zero, opened = zero, largest = zero;
    int16_t best = 0;
    scores += BAND + p.first;
    while (p.from < p.to && best < ENOUGH) {
        const int64_t stop = p.to - p.from < ROUND ? p.to : p.from + ROUND;
        for (; p.from < stop; p.from++) {
            const lanes before = larger(larger(positions_passed, residues_passed), aligned);
            residues_passed = lower_lanes(larger(opened, minus(residues_passed, extend)));
            aligned = larger(plus_letters(before, scores + p.protein[p.from] * width + p.from), zero);
            opened = minus(aligned, open);
            positions_passed = raise_lanes(larger(opened, minus(positions_passed, extend)));
            largest = larger(largest, aligned);
        }
        best = largest_lane(largest, ENOUGH);
    }
    return best;
}

/* ---- All alignments together: Forward on the band */

/* The lanes of a band in floats. */
typedef float floats __attribute__((vector_size(4 * HALF)));
typedef int32_t longs __attribute__((vector_size(4 * HALF)));
typedef struct {
    floats low, high;
} chances;

#if defined(__clang__)
#define SHUFFLE_FLOATS(one, other, ...) __builtin_shufflevector(one, other, __VA_ARGS__)
#else
#define SHUFFLE_FLOATS(one, other, ...) __builtin_shuffle(one, other, (longs){__VA_ARGS__})
#endif

static inline chances plus(chances one, chances other) { return (chances){one.low + other.low, one.high + other.high}; }
static inline chances times(chances one, float factor) { return (chances){one.low * factor, one.high * factor}; }

/* As for whole numbers, but nothing comes in from beside the band. */
static inline chances raise_chances(chances from) {
    const floats none = {0};
    return (chances){SHUFFLE_FLOATS(none, from.low, 0, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30),
                     SHUFFLE_FLOATS(from.low, from.high, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30)};
}

static inline chances lower_chances(chances from) {
    const floats none = {0};
    return (chances){SHUFFLE_FLOATS(from.low, from.high, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16),
                     SHUFFLE_FLOATS(from.high, none, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16)};
}

/* An odds ratio in a byte: what would be the last bits of the exponent of a float, and the first three after it. */
static inline floats ratios_of(const int8_t *bytes_of_ratios) {
    bytes packed;
    memcpy(&packed, bytes_of_ratios, sizeof packed);
    /* By way of 16 bits: compilers have an instruction for each half of the way. */
    const longs bits = (__builtin_convertvector(__builtin_convertvector(packed, words), longs) << 20) + (127 << 23);
    floats result;
    memcpy(&result, &bits, sizeof result);
    return result;
}

static inline floats at_least(floats values, float least) {
    floats result;
    for (int lane = 0; lane < HALF; lane++)
        result[lane] = values[lane] > least ? values[lane] : least;
    return result;
}

#define CALM 16      /* residues after which sums are looked at: too few for one to grow out of a float's range */
#define LEAST 0x1p-64f /* no chance is smaller: numbers near the end of a float's range are slow */

typedef struct {
    float sum;        /* over all ends of an alignment, divided by two as often as `halved` says */
    int32_t halved;
} likelihood;

/* What the alignments within the band weigh, against none, where one may begin and end anywhere, at a weight of 1.
 *
 * `length` is that of the protein: each residue that is aligned or passed over is one less outside of the alignment (factor `inside`).
 */
FOR_EACH_PROCESSOR
static likelihood all_alignments(place p, const int8_t *odds, int64_t width, int64_t length, float open, float extend) {
    const float inside = (float)(length + 3) / (float)length, go_on = inside * (1 - open - open), close = inside * (1 - extend);
    const float insert = inside * open, insert_more = inside * extend;
    const chances zero = {{0}, {0}};
    chances aligned = zero, positions_passed = zero, residues_passed = zero, ended = zero;
    float begun = inside;
    likelihood result = {0, 0};
    odds += BAND + p.first;
    while (p.from < p.to) {
        const int64_t stop = p.to - p.from < CALM ? p.to : p.from + CALM;
        for (; p.from < stop; p.from++) {
            const int8_t *ratios = odds + p.protein[p.from] * width + p.from;
            const chances before = plus(times(aligned, go_on), times(plus(residues_passed, positions_passed), close));
            residues_passed = lower_chances(plus(times(aligned, insert), times(residues_passed, insert_more)));
            aligned.low = at_least((before.low + begun) * ratios_of(ratios), LEAST);
            aligned.high = at_least((before.high + begun) * ratios_of(ratios + HALF), LEAST);
            positions_passed = raise_chances(plus(times(aligned, open), times(positions_passed, extend)));
            ended = plus(ended, aligned);
        }
        float largest = 0;
        for (int lane = 0; lane < HALF; lane++) {
            largest = ended.low[lane] > largest ? ended.low[lane] : largest;
            largest = ended.high[lane] > largest ? ended.high[lane] : largest;
        }
        if (largest > 1) {
            const int power = ilogbf(largest);
            const float less = ldexpf(1, -power);
            aligned = times(aligned, less), residues_passed = times(residues_passed, less);
            positions_passed = times(positions_passed, less), ended = times(ended, less);
            begun = begun * less > LEAST ? begun * less : LEAST;
            result.halved += power;
        }
    }
    for (int lane = 0; lane < HALF; lane++)
        result.sum += ended.low[lane] + ended.high[lane];
    return result;
}

/* ---- Composition: what an alignment owes to it alone */

typedef struct {
    int64_t from, to, last; /* residues, the end not included, and the position of the last one */
} region;

/* Where the best alignment lies; as `best_alignment`, with the length of each lane's alignment beside its score. Of equal ones it
 * is that on the lowest diagonal, and of those the first. */
FOR_EACH_PROCESSOR
static region best_region(place p, const int8_t *scores, int64_t width, int16_t open, int16_t extend) {
    const lanes zero = {{0}, {0}};
    lanes aligned = zero, positions_passed = zero, residues_passed = zero, opened = zero;
    lanes length = zero, length_positions = zero, length_residues = zero;
    int16_t best[BAND] = {0}, lengths[BAND] = {0};
    int64_t ends[BAND] = {0};
    scores += BAND + p.first;
    while (p.from < p.to) {
        const int64_t begin = p.from, stop = p.to - p.from < ROUND ? p.to : p.from + ROUND;
        lanes largest = zero, at = zero, of = zero;
        for (; p.from < stop; p.from++) {
            const lanes gap = larger(positions_passed, residues_passed), before = larger(gap, aligned);
            const lanes of_gap = where_larger(residues_passed, positions_passed, length_residues, length_positions);
            const lanes of_before = where_larger(gap, aligned, of_gap, length);
            const lanes less = minus(residues_passed, extend);
            residues_passed = lower_lanes(larger(opened, less));
            length_residues = lower_lanes(one_more(where_larger(less, opened, length_residues, length)));
            aligned = smaller(larger(plus_letters(before, scores + p.protein[p.from] * width + p.from), zero), all(ENOUGH));
            length = where_larger(aligned, zero, one_more(of_before), zero);
            opened = minus(aligned, open);
            const lanes fewer = minus(positions_passed, extend);
            positions_passed = raise_lanes(larger(opened, fewer));
            length_positions = raise_lanes(where_larger(fewer, opened, one_more(length_positions), length));
            at = where_larger(aligned, largest, all((int16_t)(p.from - begin)), at);
            of = where_larger(aligned, largest, length, of);
            largest = larger(largest, aligned);
        }
        for (int lane = 0; lane < BAND; lane++) {
            const int16_t score = lane < HALF ? largest.low[lane] : largest.high[lane - HALF];
            if (score > best[lane]) {
                best[lane] = score;
                ends[lane] = begin + (lane < HALF ? at.low[lane] : at.high[lane - HALF]) + 1;
                lengths[lane] = lane < HALF ? of.low[lane] : of.high[lane - HALF];
            }
        }
    }
    int found = 0;
    for (int lane = 1; lane < BAND; lane++)
        found = best[lane] > best[found] ? lane : found;
    return (region){ends[found] - lengths[found], ends[found], ends[found] - 1 + p.first + found};
}

#define FRACTIONS 1024 /* of a bit */

/* What a byte of `ratios_of` stands for, in 2^-16. */
static int64_t ratio_of(int8_t packed) {
    const int power = (packed >> 3) + 13; /* the three bits are whole numbers, too */
    const int64_t digits = 8 + (packed & 7);
    return power >= 0 ? digits << power : digits >> -power;
}

/* The score of a region's residues if each came from the mean composition of the region's positions, in FRACTIONS. */
static int64_t composition_score(region r, const uint8_t *protein, const int8_t *odds, int64_t width) {
    int64_t counts[LETTERS] = {0}, score = 0;
    const int64_t positions = r.to - r.from < r.last + 1 ? r.to - r.from : r.last + 1;
    for (int64_t residue = r.from; residue < r.to; residue++)
        counts[protein[residue]]++;
    for (int letter = 0; letter < RESIDUES && positions > 0; letter++) {
        if (!counts[letter])
            continue;
        int64_t sum = 0;
        for (int64_t position = r.last - positions + 1; position <= r.last; position++)
            sum += ratio_of(odds[letter * width + BAND + position]);
        score += counts[letter] * (int64_t)floor(FRACTIONS * log2((double)sum / (double)(positions << 16)) + 0.5);
    }
    return score;
}

/* What is known of a place; what follows a score that is too low stays 0. */
typedef struct {
    int16_t segment, alignment;
    float sum;
    int32_t halved, composition;
} scored;

/* What `score_places` is told of the places of a profile. */
typedef struct {
    const int8_t *scores;
    int64_t positions;
    const uint8_t *residues;
    const int64_t *offsets, *rows;
    const int32_t *begins;
    int64_t places, count; /* of a protein, and of all */
    int32_t nowhere;
} proposed;

static place proposed_place(const proposed *all, int64_t i) {
    const int64_t row = all->rows[i / all->places];
    return place_of(all->residues + all->offsets[row], all->offsets[row + 1] - all->offsets[row], all->positions, all->begins[i]);
}

#if HAS_X86
/* Two at once: where one ends, the next takes its half. */
__attribute__((target("avx512f,avx512bw,avx2")))
static void score_segments_avx512(const proposed *all, scored *out) {
    const int64_t width = all->positions + 2 * BAND;
    __m512i sums = _mm512_setzero_si512(), largest = sums;
    place where[2];
    int64_t which[2] = {-1, -1}, next = 0;
    for (;;) {
        for (int half = 0; half < 2; half++)
            for (; which[half] < 0 && next < all->count; next++)
                if (all->begins[next] != all->nowhere) {
                    where[half] = proposed_place(all, next);
                    which[half] = where[half].from < where[half].to ? next : -1;
                }
        if (which[0] < 0 || which[1] < 0)
            break;
        place *const one = where, *const other = where + 1;
        const int64_t left[2] = {one->to - one->from, other->to - other->from}, steps = left[0] < left[1] ? left[0] : left[1];
        const uint8_t *letter = one->protein + one->from, *beside = other->protein + other->from;
        const int8_t *of_one = all->scores + BAND + one->first + one->from, *of_other = all->scores + BAND + other->first + other->from;
        for (int64_t step = 0; step < steps; step++) {
            const __m256i low = _mm256_loadu_si256((const __m256i *)(of_one + letter[step] * width + step));
            const __m256i high = _mm256_loadu_si256((const __m256i *)(of_other + beside[step] * width + step));
            const __m512i letters = _mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1);
            sums = _mm512_max_epi8(_mm512_adds_epi8(sums, letters), _mm512_setzero_si512());
            largest = _mm512_max_epi8(largest, sums);
        }
        one->from += steps, other->from += steps;
        if (left[0] == steps) {
            out[which[0]].segment = largest_byte(_mm512_castsi512_si256(largest));
            which[0] = -1;
            sums = _mm512_inserti64x4(sums, _mm256_setzero_si256(), 0), largest = _mm512_inserti64x4(largest, _mm256_setzero_si256(), 0);
        }
        if (left[1] == steps) {
            out[which[1]].segment = largest_byte(_mm512_extracti64x4_epi64(largest, 1));
            which[1] = -1;
            sums = _mm512_inserti64x4(sums, _mm256_setzero_si256(), 1), largest = _mm512_inserti64x4(largest, _mm256_setzero_si256(), 1);
        }
    }
    const int half = which[0] < 0;
    if (which[half] >= 0)
        out[which[half]].segment =
            finish_segment_avx2(where[half], all->scores, width, half ? _mm512_extracti64x4_epi64(sums, 1) : _mm512_castsi512_si256(sums),
                                half ? _mm512_extracti64x4_epi64(largest, 1) : _mm512_castsi512_si256(largest));
}
#endif

/* Writes the score of the best segment of every place. */
static void score_segments(const proposed *all, int64_t plain, scored *out) {
    int16_t (*segment_of)(place, const int8_t *, int64_t) = best_segment;
    memset(out, 0, (size_t)all->count * sizeof *out);
#if HAS_X86
    if (!plain && __builtin_cpu_supports("avx512bw")) {
        score_segments_avx512(all, out);
        return;
    }
    if (!plain && __builtin_cpu_supports("avx2"))
        segment_of = best_segment_avx2;
#endif
    (void)plain;
    for (int64_t i = 0; i < all->count; i++)
        if (all->begins[i] != all->nowhere)
            out[i].segment = segment_of(proposed_place(all, i), all->scores, all->positions + 2 * BAND);
}

/* Scores `n` proteins at `places` places each, of which those that are `nowhere` are passed over.
 *
 * `rows` are the proteins, `begins` the places of each. Alignments are scored where the best segment has `least_segment` bits more than
 * `log2` of the shorter of profile and protein, and all the rest where the best alignment has `least_alignment` bits more. `plain`
 * leaves out what only some processors have.
 */
void score_places(const int8_t *scores, const int8_t *odds, int64_t positions, float log2_positions, int64_t n, const uint8_t *residues,
                  const int64_t *offsets, const float *log2_lengths, const int64_t *rows, const int32_t *begins, int64_t places,
                  int32_t nowhere, float least_segment, float least_alignment, float units, int16_t gap_open, int16_t gap_extend,
                  float open, float extend, int64_t plain, scored *out) {
    const int64_t width = positions + 2 * BAND;
    const proposed all = {scores, positions, residues, offsets, rows, begins, places, n * places, nowhere};
    score_segments(&all, plain, out);
    for (int64_t i = 0; i < n * places; i++) {
        scored *o = out + i;
        if (begins[i] == nowhere)
            continue;
        const int64_t row = rows[i / places], length = offsets[row + 1] - offsets[row];
        const float shorter = log2_lengths[row] < log2_positions ? log2_lengths[row] : log2_positions;
        if ((float)o->segment < units * (least_segment + shorter))
            continue;
        const place p = proposed_place(&all, i);
        o->alignment = best_alignment(p, scores, width, gap_open, gap_extend);
        if ((float)o->alignment < units * (least_alignment + shorter))
            continue;
        const likelihood all = all_alignments(p, odds, width, length, open, extend);
        o->sum = all.sum, o->halved = all.halved;
        o->composition = (int32_t)composition_score(best_region(p, scores, width, gap_open, gap_extend), p.protein, odds, width);
    }
}

/* Does what `score_places` does for one profile after the other, and keeps the proteins that have a place for which all is known.
 *
 * Profile w has the next counts[w] of `rows` and `begins`. Writes which those proteins are, in the order of `rows`, and what is known of all
 * their places; returns how many there are. `out` has room for all.
 */
int64_t score_works(const int8_t *const *scores, const int8_t *const *odds, const int64_t *positions, const float *log2_positions,
                    const int64_t *counts, int64_t works, const uint8_t *residues, const int64_t *offsets, const float *log2_lengths,
                    const int64_t *rows, const int32_t *begins, int64_t places, int32_t nowhere, float least_segment,
                    float least_alignment, float units, int16_t gap_open, int16_t gap_extend, float open, float extend, int64_t plain,
                    int64_t *kept, scored *out) {
    int64_t count = 0, first = 0;
    for (int64_t w = 0; w < works; first += counts[w++]) {
        scored *own = out + count * places;
        score_places(scores[w], odds[w], positions[w], log2_positions[w], counts[w], residues, offsets, log2_lengths, rows + first,
                     begins + first * places, places, nowhere, least_segment, least_alignment, units, gap_open, gap_extend, open, extend,
                     plain, own);
        for (int64_t i = 0; i < counts[w]; i++, own += places) {
            int known = 0;
            for (int64_t place = 0; place < places; place++)
                known |= own[place].sum > 0;
            if (!known)
                continue;
            memmove(out + count * places, own, (size_t)places * sizeof *own);
            kept[count++] = first + i;
        }
    }
    return count;
}

/* Writes the protein of each candidate, and on which residues its target may begin, target after target: those of target t from next[t] on.
 *
 * `targets` of protein p are targets[offsets[p]]..targets[offsets[p + 1]]; beside them lie `places` columns of `begins`.
 */
void by_target(const int32_t *targets, const int64_t *offsets, int64_t proteins, const int32_t *const *begins, int64_t places, int64_t *next,
               int64_t *rows, int32_t *out) {
    for (int64_t p = 0; p < proteins; p++)
        for (int64_t i = offsets[p]; i < offsets[p + 1]; i++) {
            const int64_t at = next[targets[i]]++;
            rows[at] = p;
            for (int64_t place = 0; place < places; place++)
                out[at * places + place] = begins[place][i];
        }
}
