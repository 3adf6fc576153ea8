/* Scores of a protein and a profile on a band of neighbouring diagonals: of the best segment, and of the best alignment.
 *
 * Called through ctypes by diagonals.py, which checks the shapes and has the same in numpy. Scores are whole numbers, so that no
 * processor changes one.
 *
 * `scores` has a row for each letter: the scores of `positions` positions between BAND more to each side. Protein p is
 * residues[offsets[p]]..residues[offsets[p + 1]]. Candidate c is protein rows[c], and its diagonals are those on which the profile
 * begins at one of the BAND residues around residue begins[c], which may lie outside of the protein.
 */
#include <stdint.h>
#include <string.h>

#include "compiled.h"

#define BAND 32
#define LETTERS 32 /* numbers of letters lie below */
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

/* Where a candidate lies. */
typedef struct {
    const uint8_t *protein;
    const int8_t *scores; /* of residue 0 on the first diagonal; may lie before the table */
    int64_t from, to;     /* residues that have a position on some diagonal */
} place;

static place place_of(const int8_t *scores, int64_t positions, const uint8_t *residues, const int64_t *offsets, int64_t row, int64_t begin) {
    const int64_t length = offsets[row + 1] - offsets[row], first = -begin - BAND / 2;
    place p = {residues + offsets[row], scores + BAND + first, -first - BAND + 1, positions - first};
    p.from = p.from > 0 ? p.from : 0;
    p.to = p.to < length ? p.to : length;
    return p;
}

FOR_EACH_PROCESSOR
static int16_t best_segment(place p, int64_t width) {
    const lanes zero = {{0}, {0}};
    lanes sums = zero, largest = zero;
    int16_t best = 0;
    while (p.from < p.to && best < SEGMENT_ENOUGH) {
        const int64_t stop = p.to - p.from < ROUND ? p.to : p.from + ROUND;
        for (; p.from < stop; p.from++) {
            sums = larger(plus_letters(sums, p.scores + p.protein[p.from] * width + p.from), zero);
            largest = larger(largest, sums);
        }
        best = largest_lane(largest, SEGMENT_ENOUGH);
    }
    return best;
}

#if HAS_X86
/* The same in 8 bits, which stop at SEGMENT_ENOUGH by themselves. */
__attribute__((target("avx2")))
static int16_t best_segment_avx2(place p, int64_t width) {
    int64_t of_letter[LETTERS];
    for (int64_t letter = 0; letter < LETTERS; letter++)
        of_letter[letter] = letter * width;
    __m256i sums = _mm256_setzero_si256(), largest = sums;
    for (; p.from < p.to; p.from++) {
        const __m256i letters = _mm256_loadu_si256((const __m256i *)(p.scores + of_letter[p.protein[p.from]] + p.from));
        sums = _mm256_max_epi8(_mm256_adds_epi8(sums, letters), _mm256_setzero_si256());
        largest = _mm256_max_epi8(largest, sums);
    }
    int8_t each[BAND], best = 0;
    _mm256_storeu_si256((__m256i *)each, largest);
    for (int lane = 0; lane < BAND; lane++)
        best = each[lane] > best ? each[lane] : best;
    return best;
}
#endif

/* Writes the score of the best ungapped segment of each of `n` candidates of one profile. `plain` leaves out what only some
 * processors have. */
void best_segments(const int8_t *scores, int64_t positions, const uint8_t *residues, const int64_t *offsets, const int64_t *rows,
                   const int32_t *begins, int64_t n, int16_t *best, int64_t plain) {
    const int64_t width = positions + 2 * BAND;
    int16_t (*segment)(place, int64_t) = best_segment;
#if HAS_X86
    if (!plain && __builtin_cpu_supports("avx2"))
        segment = best_segment_avx2;
#endif
    (void)plain;
    for (int64_t c = 0; c < n; c++)
        best[c] = segment(place_of(scores, positions, residues, offsets, rows[c], begins[c]), width);
}

/* Writes the score of the best alignment of each of `n` candidates of one profile that stays within its diagonals.
 *
 * A gap costs `open` for the first residue or position and `extend` for each further one. While positions are passed over, a
 * residue goes with each but the first, so that no lane waits for the one beside it.
 */
FOR_EACH_PROCESSOR
void best_alignments(const int8_t *scores, int64_t positions, const uint8_t *residues, const int64_t *offsets, const int64_t *rows,
                     const int32_t *begins, int64_t n, int16_t open, int16_t extend, int16_t *best) {
    const int64_t width = positions + 2 * BAND;
    const lanes zero = {{0}, {0}};
    for (int64_t c = 0; c < n; c++) {
        place p = place_of(scores, positions, residues, offsets, rows[c], begins[c]);
        /* Ends in an aligned pair, in positions and in residues passed over. Below 0 an alignment begins anew. */
        lanes aligned = zero, positions_passed = zero, residues_passed = zero, opened = zero, largest = zero;
        best[c] = 0;
        while (p.from < p.to && best[c] < ENOUGH) {
            const int64_t stop = p.to - p.from < ROUND ? p.to : p.from + ROUND;
            for (; p.from < stop; p.from++) {
                const lanes before = larger(larger(positions_passed, residues_passed), aligned);
                residues_passed = lower_lanes(larger(opened, minus(residues_passed, extend)));
                aligned = larger(plus_letters(before, p.scores + p.protein[p.from] * width + p.from), zero);
                opened = minus(aligned, open);
                positions_passed = raise_lanes(larger(opened, minus(positions_passed, extend)));
                largest = larger(largest, aligned);
            }
            best[c] = largest_lane(largest, ENOUGH);
        }
    }
}
