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

/* The same in 8 bits, which stop at SEGMENT_ENOUGH by themselves. */
__attribute__((target("avx2")))
static int16_t best_segment_avx2(place p, const int8_t *scores, int64_t width) {
    __m256i sums = _mm256_setzero_si256(), largest = sums;
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

/* ---- The places of a profile */

typedef struct {
    const int8_t *scores;
    int64_t positions;
    const uint8_t *residues;
    const int64_t *offsets, *rows;
    const int32_t *begins;
    int64_t places, count; /* of a protein, and of all */
} proposed;

static place proposed_place(const proposed *all, int64_t i) {
    const int64_t row = all->rows[i / all->places];
    return place_of(all->residues + all->offsets[row], all->offsets[row + 1] - all->offsets[row], all->positions, all->begins[i]);
}

/* Scores of one step, a number of every place: 0 for those that it passes over, else not 0 before they are scored. */
typedef struct {
    int16_t *of_first;
    int64_t apart;
} marks;

static int16_t *mark_of(marks m, int64_t i) { return m.of_first + i * m.apart; }

#if HAS_X86
/* Two places are worked on at once, each in its half of a register: where one ends, the next takes its half. */
typedef struct {
    place where[2];
    int64_t which[2], next; /* -1: none */
} two;

/* Fills the halves that are free and returns how many residues both go on for: 0 when places for both are not left. */
static int64_t take_two(two *t, const proposed *all, marks m) {
    for (int half = 0; half < 2; half++)
        for (; t->which[half] < 0 && t->next < all->count; t->next++)
            if (*mark_of(m, t->next)) {
                t->where[half] = proposed_place(all, t->next);
                if (t->where[half].from < t->where[half].to)
                    t->which[half] = t->next;
                else
                    *mark_of(m, t->next) = 0;
            }
    if (t->which[0] < 0 || t->which[1] < 0)
        return 0;
    const int64_t one = t->where[0].to - t->where[0].from, other = t->where[1].to - t->where[1].from;
    return one < other ? one : other;
}

/* Goes on by so many residues, and writes what was largest where a place has ended. Returns which lanes of 64 bits go on. */
__attribute__((target("avx512f,avx512bw,avx2")))
static __mmask8 end_of_two(two *t, int64_t steps, marks m, __m512i largest) {
    __mmask8 on = 0xFF;
    for (int half = 0; half < 2; half++) {
        t->where[half].from += steps;
        if (t->where[half].from < t->where[half].to)
            continue;
        *mark_of(m, t->which[half]) = largest_byte(half ? _mm512_extracti64x4_epi64(largest, 1) : _mm512_castsi512_si256(largest));
        t->which[half] = -1;
        on &= half ? 0x0F : 0xF0;
    }
    return on;
}

/* What the letters of two places score, a residue after the other. */
typedef struct {
    const uint8_t *residues[2];
    const int8_t *scores[2];
    int64_t width;
} letters_of_two;

static letters_of_two letters_from_here(const two *t, const proposed *all) {
    letters_of_two l = {.width = all->positions + 2 * BAND};
    for (int half = 0; half < 2; half++) {
        l.residues[half] = t->where[half].protein + t->where[half].from;
        l.scores[half] = all->scores + BAND + t->where[half].first + t->where[half].from;
    }
    return l;
}

__attribute__((target("avx512f,avx512bw,avx2"), always_inline))
static inline __m512i letters_at(const letters_of_two *l, int64_t step) {
    const __m256i low = _mm256_loadu_si256((const __m256i *)(l->scores[0] + l->residues[0][step] * l->width + step));
    const __m256i high = _mm256_loadu_si256((const __m256i *)(l->scores[1] + l->residues[1][step] * l->width + step));
    return _mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1);
}

/* Scores the segments of two places at a time; returns a place that is left over, or -1. */
__attribute__((target("avx512f,avx512bw,avx2")))
static int64_t segments_of_two(const proposed *all, marks m) {
    const __m512i zero = _mm512_setzero_si512();
    __m512i sums = zero, largest = zero;
    two t = {.which = {-1, -1}};
    for (int64_t steps; (steps = take_two(&t, all, m)) > 0;) {
        const letters_of_two letters = letters_from_here(&t, all);
        for (int64_t step = 0; step < steps; step++) {
            sums = _mm512_max_epi8(_mm512_adds_epi8(sums, letters_at(&letters, step)), zero);
            largest = _mm512_max_epi8(largest, sums);
        }
        const __mmask8 on = end_of_two(&t, steps, m, largest);
        sums = _mm512_maskz_mov_epi64(on, sums), largest = _mm512_maskz_mov_epi64(on, largest);
    }
    return t.which[0] < 0 ? t.which[1] : t.which[0];
}

/* The same for alignments, in 8 bits: see `best_alignment`. A score of INT8_MAX stands for that and all higher ones. */
__attribute__((target("avx512f,avx512bw,avx512vbmi,avx2")))
static int64_t alignments_of_two(const proposed *all, marks m, int8_t open, int8_t extend) {
    const __m512i zero = _mm512_setzero_si512(), to_open = _mm512_set1_epi8(open), to_extend = _mm512_set1_epi8(extend);
    int8_t above[2 * BAND], below[2 * BAND];
    for (int lane = 0; lane < 2 * BAND; lane++) {
        above[lane] = (int8_t)(lane % BAND == BAND - 1 ? lane : lane + 1);
        below[lane] = (int8_t)(lane % BAND == 0 ? lane : lane - 1);
    }
    const __m512i from_above = _mm512_loadu_si512(above), from_below = _mm512_loadu_si512(below);
    __m512i aligned = zero, positions_passed = zero, residues_passed = zero, opened = zero, largest = zero;
    two t = {.which = {-1, -1}};
    for (int64_t steps; (steps = take_two(&t, all, m)) > 0;) {
        const letters_of_two letters = letters_from_here(&t, all);
        for (int64_t step = 0; step < steps; step++) {
            const __m512i before = _mm512_max_epi8(_mm512_max_epi8(positions_passed, residues_passed), aligned);
            residues_passed = _mm512_permutexvar_epi8(from_above, _mm512_max_epi8(opened, _mm512_subs_epi8(residues_passed, to_extend)));
            aligned = _mm512_max_epi8(_mm512_adds_epi8(before, letters_at(&letters, step)), zero);
            opened = _mm512_subs_epi8(aligned, to_open);
            positions_passed = _mm512_permutexvar_epi8(from_below, _mm512_max_epi8(opened, _mm512_subs_epi8(positions_passed, to_extend)));
            largest = _mm512_max_epi8(largest, aligned);
        }
        const __mmask8 on = end_of_two(&t, steps, m, largest);
        aligned = _mm512_maskz_mov_epi64(on, aligned), opened = _mm512_maskz_mov_epi64(on, opened);
        positions_passed = _mm512_maskz_mov_epi64(on, positions_passed);
        residues_passed = _mm512_maskz_mov_epi64(on, residues_passed), largest = _mm512_maskz_mov_epi64(on, largest);
    }
    return t.which[0] < 0 ? t.which[1] : t.which[0];
}
#endif

/* Writes the score of the best segment of every place that is marked. */
static void score_segments(const proposed *all, marks m, int64_t plain) {
    int16_t (*segment_of)(place, const int8_t *, int64_t) = best_segment;
    int64_t first = 0, end = all->count;
#if HAS_X86
    if (!plain && __builtin_cpu_supports("avx2"))
        segment_of = best_segment_avx2;
    if (!plain && __builtin_cpu_supports("avx512bw")) {
        first = segments_of_two(all, m);
        end = first + (first >= 0);
    }
#endif
    (void)plain;
    for (int64_t i = first; i < end; i++)
        if (*mark_of(m, i))
            *mark_of(m, i) = segment_of(proposed_place(all, i), all->scores, all->positions + 2 * BAND);
}

/* Writes the score of the best alignment of every place that is marked. */
static void score_alignments(const proposed *all, marks m, int16_t open, int16_t extend, int64_t plain) {
    int64_t left = -1, in_bytes = 0;
#if HAS_X86
    in_bytes = !plain && __builtin_cpu_supports("avx512vbmi") && open <= INT8_MAX && extend <= INT8_MAX;
    if (in_bytes)
        left = alignments_of_two(all, m, (int8_t)open, (int8_t)extend);
#endif
    (void)plain;
    for (int64_t i = 0; i < all->count; i++)
        if (*mark_of(m, i) && (!in_bytes || i == left || *mark_of(m, i) == INT8_MAX))
            *mark_of(m, i) = best_alignment(proposed_place(all, i), all->scores, all->positions + 2 * BAND, open, extend);
}

/* What a step has to score for the next one: `least` bits and the log2 of the shorter of protein and profile. */
static float enough(float units, float least, float log2_length, float log2_positions) {
    return units * (least + (log2_length < log2_positions ? log2_length : log2_positions));
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
    const int64_t width = positions + 2 * BAND, count = n * places;
    const proposed all = {scores, positions, residues, offsets, rows, begins, places, count};
    const marks segments = {&out->segment, sizeof *out / sizeof out->segment}, alignments = {&out->alignment, segments.apart};
    memset(out, 0, (size_t)count * sizeof *out);
    for (int64_t i = 0; i < count; i++)
        out[i].segment = begins[i] != nowhere;
    score_segments(&all, segments, plain);
    for (int64_t i = 0; i < count; i++)
        out[i].alignment = begins[i] != nowhere &&
                           (float)out[i].segment >= enough(units, least_segment, log2_lengths[rows[i / places]], log2_positions);
    score_alignments(&all, alignments, gap_open, gap_extend, plain);
    for (int64_t i = 0; i < count; i++) {
        const int64_t row = rows[i / places];
        if (begins[i] == nowhere || (float)out[i].segment < enough(units, least_segment, log2_lengths[row], log2_positions) ||
            (float)out[i].alignment < enough(units, least_alignment, log2_lengths[row], log2_positions))
            continue;
        const place p = proposed_place(&all, i);
        const likelihood whole = all_alignments(p, odds, width, offsets[row + 1] - offsets[row], open, extend);
        out[i].sum = whole.sum, out[i].halved = whole.halved;
        out[i].composition =
            (int32_t)composition_score(best_region(p, scores, width, gap_open, gap_extend), p.protein, odds, width);
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
