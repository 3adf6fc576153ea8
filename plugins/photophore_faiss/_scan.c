/* Products of 8-bit vectors with the rows of inverted lists, of which only the best leave the processor's registers.
 *
 * The functions are called through ctypes by scanning.py, which checks the shapes and has the same in numpy. Every product
 * is a sum of whole numbers: no processor, number of threads or order of work changes one. Values lie within -127..127.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>
#define HAS_VNNI 1
#else
#define HAS_VNNI 0
#endif

/* One build for each kind of x86 processor where the linker can choose between them. */
#if defined(__x86_64__) && defined(__GLIBC__) && defined(__GNUC__) && !defined(__clang__)
#if __GNUC__ >= 12
#define FOR_EACH_PROCESSOR __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define FOR_EACH_PROCESSOR __attribute__((target_clones("avx2", "default")))
#endif
#else
#define FOR_EACH_PROCESSOR
#endif

#define ROWS 32   /* rows of a list that are looked at together: a block */
#define QUERIES 4 /* searched vectors that share what was read of a block */

typedef int32_t products[QUERIES][ROWS];
typedef int8_t bytes __attribute__((vector_size(ROWS)));
typedef int16_t words __attribute__((vector_size(2 * ROWS)));
typedef int32_t longs __attribute__((vector_size(4 * ROWS)));

/* What a group of queries shares. */
typedef struct {
    const int8_t *vectors[QUERIES];
    int32_t extra[QUERIES]; /* by how much a product is too large, because `pack` raised the rows */
    int32_t floor[QUERIES];
    int count;
} group;

typedef struct {
    /* Brings rows into the order in which `multiply` reads them. */
    void (*pack)(const int8_t *codes, int64_t rows, int64_t dim, uint8_t *packed);
    /* Sets a bit of `reached` for each row of a block whose product reaches the floor; `out` is written where some does. */
    void (*multiply)(const uint8_t *block, int64_t dim, const group *g, products out, uint32_t reached[QUERIES]);
    int32_t raised; /* by how much `pack` raises every value */
} processor;

/* ---- any processor: a block is dim x ROWS bytes */

static void pack_any(const int8_t *codes, int64_t rows, int64_t dim, uint8_t *packed) {
    for (int64_t first = 0; first < rows; first += ROWS, packed += ROWS * dim)
        for (int64_t d = 0; d < dim; d++)
            for (int64_t row = 0; row < ROWS; row++)
                packed[d * ROWS + row] = first + row < rows ? (uint8_t)codes[(first + row) * dim + d] : 0;
}

FOR_EACH_PROCESSOR
static void multiply_any(const uint8_t *block, int64_t dim, const group *g, products out, uint32_t reached[QUERIES]) {
    longs sums[QUERIES] = {{0}};
    for (int64_t d = 0; d < dim; d += 2) {
        bytes even, odd;
        memcpy(&even, block + d * ROWS, ROWS);
        memcpy(&odd, block + (d + 1) * ROWS, ROWS);
        const words one = __builtin_convertvector(even, words), other = __builtin_convertvector(odd, words);
        for (int q = 0; q < QUERIES; q++) /* 2 * 127 * 127 fits 16 bits */
            sums[q] += __builtin_convertvector(one * (int16_t)g->vectors[q][d] + other * (int16_t)g->vectors[q][d + 1], longs);
    }
    memcpy(out, sums, sizeof(products));
    for (int q = 0; q < QUERIES; q++) {
        reached[q] = 0;
        for (int row = 0; row < ROWS; row++)
            reached[q] |= (uint32_t)(out[q][row] >= g->floor[q]) << row;
    }
}

/* ---- AVX512 with VNNI: a block is dim/4 x ROWS x 4 bytes, raised by 128, because one of two factors has to be unsigned */

#if HAS_VNNI
static void pack_vnni(const int8_t *codes, int64_t rows, int64_t dim, uint8_t *packed) {
    for (int64_t first = 0; first < rows; first += ROWS)
        for (int64_t d = 0; d < dim; d += 4)
            for (int64_t row = 0; row < ROWS; row++, packed += 4) {
                uint32_t four = 0;
                if (first + row < rows)
                    memcpy(&four, codes + (first + row) * dim + d, 4);
                four ^= 0x80808080u;
                memcpy(packed, &four, 4);
            }
}

__attribute__((target("avx512f,avx512bw,avx512vnni")))
static void multiply_vnni(const uint8_t *block, int64_t dim, const group *g, products out, uint32_t reached[QUERIES]) {
    __m512i low[QUERIES], high[QUERIES];
    for (int q = 0; q < QUERIES; q++)
        low[q] = high[q] = _mm512_set1_epi32(-g->extra[q]);
    for (int64_t d = 0; d < dim; d += 4) {
        const __m512i one = _mm512_loadu_si512(block + d * ROWS), other = _mm512_loadu_si512(block + d * ROWS + 64);
        for (int q = 0; q < QUERIES; q++) {
            int32_t four;
            memcpy(&four, g->vectors[q] + d, 4);
            const __m512i same = _mm512_set1_epi32(four);
            low[q] = _mm512_dpbusd_epi32(low[q], one, same);
            high[q] = _mm512_dpbusd_epi32(high[q], other, same);
        }
    }
    for (int q = 0; q < QUERIES; q++) {
        const __m512i floor = _mm512_set1_epi32(g->floor[q]);
        reached[q] = _mm512_cmpge_epi32_mask(low[q], floor) | (uint32_t)_mm512_cmpge_epi32_mask(high[q], floor) << 16;
        if (reached[q]) {
            _mm512_storeu_si512(out[q], low[q]);
            _mm512_storeu_si512(out[q] + 16, high[q]);
        }
    }
}
#endif

static processor this_processor(int plain) {
#if HAS_VNNI
    if (!plain && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vnni"))
        return (processor){pack_vnni, multiply_vnni, 128};
#endif
    (void)plain;
    return (processor){pack_any, multiply_any, 0};
}

/* ---- the best of many: a heap of keys, the worst on top; of equal scores the earlier row is the better */

static int64_t key_of(int32_t score, int64_t row) { return ((int64_t)score << 32) | (int64_t)(UINT32_MAX - (uint32_t)row); }
static int32_t score_of(int64_t key) { return (int32_t)(key >> 32); }
static int64_t row_of(int64_t key) { return (int64_t)(UINT32_MAX - (uint32_t)key); }

static void sink(int64_t *heap, int64_t size, int64_t place) {
    const int64_t key = heap[place];
    for (int64_t child; (child = 2 * place + 1) < size; place = child) {
        child += child + 1 < size && heap[child + 1] < heap[child];
        if (heap[child] >= key)
            break;
        heap[place] = heap[child];
    }
    heap[place] = key;
}

/* ---- groups */

static group group_of(const int8_t *queries, int64_t dim, const int64_t *numbers, int64_t count, int32_t raised) {
    group g = {.count = count < QUERIES ? (int)count : QUERIES};
    for (int q = 0; q < QUERIES; q++) {
        g.vectors[q] = queries + numbers[q < g.count ? q : 0] * dim;
        g.extra[q] = 0;
        for (int64_t d = 0; d < dim; d++)
            g.extra[q] += raised * g.vectors[q][d];
        g.floor[q] = q < g.count ? INT32_MIN : INT32_MAX;
    }
    return g;
}

/* Puts the `count` best of at least so many rows into `heaps`, one of `count` keys for each query of the group. */
static void keep_best(const processor *cpu, const uint8_t *packed, int64_t rows, int64_t dim, group g, int64_t count, int64_t *heaps) {
    products out;
    uint32_t reached[QUERIES];
    for (int64_t first = 0; first < rows; first += ROWS) {
        const uint32_t there = rows - first < ROWS ? (1u << (rows - first)) - 1 : UINT32_MAX;
        cpu->multiply(packed + first * dim, dim, &g, out, reached);
        for (int q = 0; q < g.count; q++) {
            int64_t *heap = heaps + q * count;
            for (reached[q] &= there; reached[q]; reached[q] &= reached[q] - 1) {
                const int64_t row = first + __builtin_ctz(reached[q]), key = key_of(out[q][row - first], row);
                if (row < count) {
                    heap[row] = key;
                    if (row == count - 1)
                        for (int64_t place = count; place-- > 0;)
                            sink(heap, count, place);
                } else if (key > heap[0]) {
                    heap[0] = key;
                    sink(heap, count, 0);
                }
            }
            if (first + ROWS >= count)
                g.floor[q] = score_of(heap[0]);
        }
    }
}

static int64_t whole_blocks(int64_t rows) { return (rows + ROWS - 1) / ROWS * ROWS; }

/* ---- called from Python */

/* Writes the `count` best rows of each of `n` queries into `best`, best first. Returns 0, or -1 without memory. */
int64_t nearest(const int8_t *codes, int64_t rows, int64_t dim, const int8_t *queries, int64_t n, int64_t count, int64_t *best, int64_t plain) {
    const processor cpu = this_processor((int)plain);
    uint8_t *packed = malloc((size_t)(whole_blocks(rows) * dim));
    int64_t *heaps = malloc((size_t)(QUERIES * count) * sizeof *heaps);
    const int failed = !packed || !heaps;
    if (!failed)
        cpu.pack(codes, rows, dim, packed);
    for (int64_t first = 0; !failed && first < n; first += QUERIES) {
        int64_t numbers[QUERIES];
        for (int q = 0; q < QUERIES; q++)
            numbers[q] = first + q;
        const group g = group_of(queries, dim, numbers, n - first, cpu.raised);
        keep_best(&cpu, packed, rows, dim, g, count, heaps);
        for (int q = 0; q < g.count; q++) {
            int64_t *heap = heaps + q * count;
            for (int64_t left = count; left-- > 0;) {
                best[(first + q) * count + left] = row_of(heap[0]);
                heap[0] = heap[left];
                sink(heap, left, 0);
            }
        }
    }
    free(packed);
    free(heaps);
    return failed ? -1 : 0;
}

/* Writes the `k` first neighbours of each of `n` queries, out of packed ones in rising order; what is left stays as it is. */
void unpack(const int64_t *packed, int64_t length, int64_t n, int64_t k, const uint32_t *ids, float unit, int64_t score_bits,
            int64_t row_bits, int64_t *rows, float *scores) {
    const int64_t middle = ((int64_t)1 << (score_bits - 1)) - 1;
    const int64_t of_score = ((int64_t)1 << score_bits) - 1, of_row = ((int64_t)1 << row_bits) - 1;
    int64_t at = 0;
    for (int64_t query = 0; query < n; query++)
        for (int64_t taken = 0; at < length && packed[at] >> (score_bits + row_bits) == query; at++, taken++)
            if (taken < k) {
                rows[query * k + taken] = ids[packed[at] & of_row];
                scores[query * k + taken] = (float)(middle - (packed[at] >> row_bits & of_score)) * unit;
            }
}

/* Looks through lists for rows that reach the floor of a query, and writes each as one number: query, falling score, row.
 *
 * List l holds the rows list_offsets[l]..list_offsets[l + 1] of `codes`, and is looked at by the queries
 * asking[asking_offsets[l]]..asking[asking_offsets[l + 1]]. With `wanted`, the floor of a query becomes the score of its
 * `wanted`-th best row in that list, if there are so many. Returns how many were written, or -1 without memory; stops when
 * `room` could be too small for the next queries, with list and query to go on from in `place`.
 */
int64_t scan(const int8_t *codes, const int64_t *list_offsets, int64_t lists, int64_t dim, const int8_t *queries,
             const int64_t *asking_offsets, const int64_t *asking, int64_t wanted, int32_t *floor, int64_t score_bits,
             int64_t row_bits, int64_t *place, int64_t *found, int64_t room, int64_t plain) {
    const processor cpu = this_processor((int)plain);
    const int64_t middle = ((int64_t)1 << (score_bits - 1)) - 1;
    int64_t longest = 0, written = 0;
    for (int64_t list = 0; list < lists; list++)
        if (list_offsets[list + 1] - list_offsets[list] > longest)
            longest = list_offsets[list + 1] - list_offsets[list];
    uint8_t *packed = malloc((size_t)(whole_blocks(longest) * dim) + 1);
    int64_t *heaps = malloc((size_t)(QUERIES * wanted + 1) * sizeof *heaps);
    int full = !packed || !heaps;
    if (full)
        written = -1;
    for (int64_t list = place[0]; !full && list < lists; list++) {
        const int64_t begin = list_offsets[list], rows = list_offsets[list + 1] - begin;
        const int64_t last = asking_offsets[list + 1];
        int64_t first = place[1] > asking_offsets[list] ? place[1] : asking_offsets[list];
        if (first < last && rows)
            cpu.pack(codes + begin * dim, rows, dim, packed);
        for (; rows && first < last; first += QUERIES) {
            if (room - written < QUERIES * rows) {
                full = 1;
                break;
            }
            group g = group_of(queries, dim, asking + first, last - first, cpu.raised);
            if (wanted && rows >= wanted) {
                keep_best(&cpu, packed, rows, dim, g, wanted, heaps);
                for (int q = 0; q < g.count; q++)
                    floor[asking[first + q]] = score_of(heaps[q * wanted]);
            }
            for (int q = 0; q < g.count; q++)
                g.floor[q] = floor[asking[first + q]];
            for (int64_t block = 0; block < rows; block += ROWS) {
                products out;
                uint32_t reached[QUERIES];
                cpu.multiply(packed + block * dim, dim, &g, out, reached);
                for (int q = 0; q < g.count; q++) {
                    if (rows - block < ROWS)
                        reached[q] &= (1u << (rows - block)) - 1;
                    for (; reached[q]; reached[q] &= reached[q] - 1) {
                        const int row = __builtin_ctz(reached[q]);
                        const int64_t score = asking[first + q] << score_bits | (middle - out[q][row]);
                        found[written++] = score << row_bits | (begin + block + row);
                    }
                }
            }
        }
        if (full) {
            place[0] = list;
            place[1] = first;
        }
    }
    if (!full)
        place[0] = lists;
    free(packed);
    free(heaps);
    return written;
}
