/* Products of 8-bit vectors with the rows of inverted lists, of which only the best leave the processor's registers.
 *
 * The functions are called through ctypes by scanning.py, which checks the shapes and has the same in numpy. Every product
 * is a sum of whole numbers: no processor, number of threads or order of work changes one. Values lie within -127..127.
 */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "compiled.h"

#if HAS_X86 && defined(__linux__) && (defined(__clang__) || __GNUC__ >= 12)
#include <sys/syscall.h>
#include <unistd.h>
#define HAS_AMX 1
#else
#define HAS_AMX 0
#endif

#define ROWS 32   /* rows of a list that are looked at together: a block */
#define QUERIES 16 /* searched vectors that share what was read of a block, at most */
#define FEW 4      /* as many as there are registers for */

#define LARGEST(dim) ((int32_t)(dim) << 14) /* no product of vectors is as large */

#define TOGETHER 512 /* length of a vector up to which those of a group are copied */

typedef int32_t products[QUERIES][ROWS];
typedef int8_t bytes __attribute__((vector_size(ROWS)));
typedef int16_t words __attribute__((vector_size(2 * ROWS)));
typedef int32_t longs __attribute__((vector_size(4 * ROWS)));

/* What a group of queries shares. */
typedef struct {
    const int8_t *vectors[QUERIES];
    int32_t base[QUERIES]; /* what a sum begins with, because `pack` raised the rows */
    int32_t floor[QUERIES];
    int count;
    int8_t together[QUERIES * TOGETHER]; /* the vectors, one after the other, where they are short enough */
} group;

typedef struct {
    /* Brings rows into the order in which `multiply` reads them. */
    void (*pack)(const int8_t *codes, int64_t rows, int64_t dim, uint8_t *packed);
    /* Returns a bit for each query of which some product with a row of a block reaches the floor. Of these, `reached` has a bit for each
     * such row, and `out` all products. */
    uint32_t (*multiply)(const uint8_t *block, int64_t dim, const group *g, products out, uint32_t reached[QUERIES]);
    int32_t raised; /* by how much `pack` raises every value */
    int queries;    /* in a group */
    /* What is to be done before the first and after the last `multiply` of a call. */
    void (*begin)(void);
    void (*end)(void);
} processor;

/* ---- any processor: a block is dim x ROWS bytes */

static void nothing(void) {}

static void pack_any(const int8_t *codes, int64_t rows, int64_t dim, uint8_t *packed) {
    for (int64_t first = 0; first < rows; first += ROWS, packed += ROWS * dim)
        for (int64_t d = 0; d < dim; d++)
            for (int64_t row = 0; row < ROWS; row++)
                packed[d * ROWS + row] = first + row < rows ? (uint8_t)codes[(first + row) * dim + d] : 0;
}

FOR_EACH_PROCESSOR
static uint32_t multiply_any(const uint8_t *block, int64_t dim, const group *g, products out, uint32_t reached[QUERIES]) {
    longs sums[FEW] = {{0}};
    for (int64_t d = 0; d < dim; d += 2) {
        bytes even, odd;
        memcpy(&even, block + d * ROWS, ROWS);
        memcpy(&odd, block + (d + 1) * ROWS, ROWS);
        const words one = __builtin_convertvector(even, words), other = __builtin_convertvector(odd, words);
        for (int q = 0; q < FEW; q++) /* 2 * 127 * 127 fits 16 bits */
            sums[q] += __builtin_convertvector(one * (int16_t)g->vectors[q][d] + other * (int16_t)g->vectors[q][d + 1], longs);
    }
    uint32_t some = 0;
    memcpy(out, sums, sizeof sums);
    for (int q = 0; q < FEW; q++) {
        reached[q] = 0;
        for (int row = 0; row < ROWS; row++)
            reached[q] |= (uint32_t)(out[q][row] >= g->floor[q]) << row;
        some |= (uint32_t)(reached[q] != 0) << q;
    }
    return some;
}

/* ---- AVX512 with VNNI: a block is dim/4 x ROWS x 4 bytes, raised by 128, because one of two factors has to be unsigned */

#if HAS_X86
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

/* `_mm512_dpbusd_epi32`, of whose sums GCC makes copies at every step, which takes as long as the sums. */
#define ADD_PRODUCTS(sums, one, other) __asm__("vpdpbusd %2, %1, %0" : "+v"(sums) : "v"(one), "v"(other))

#define MANY 8 /* queries for whose sums there are registers */
#define EACH(DO) DO(0) DO(1) DO(2) DO(3) DO(4) DO(5) DO(6) DO(7)

/* Spelled out for each query: of arrays, compilers make copies between registers. */
__attribute__((target("avx512f,avx512bw,avx512vnni")))
static uint32_t multiply_vnni(const uint8_t *block, int64_t dim, const group *g, products out, uint32_t reached[QUERIES]) {
#define BEGIN(q) \
    const int8_t *vector##q = g->vectors[q]; \
    __m512i low##q = _mm512_set1_epi32(g->base[q]), high##q = low##q;
#define ADD(q) { \
    int32_t four; \
    memcpy(&four, vector##q + d, 4); \
    const __m512i same = _mm512_set1_epi32(four); \
    ADD_PRODUCTS(low##q, one, same); \
    ADD_PRODUCTS(high##q, other, same); \
}
#define COMPARE(q) { \
    const __m512i floor = _mm512_set1_epi32(g->floor[q]); \
    if (_mm512_cmpge_epi32_mask(_mm512_max_epi32(low##q, high##q), floor)) { \
        some |= 1u << q; \
        reached[q] = _mm512_cmpge_epi32_mask(low##q, floor) | (uint32_t)_mm512_cmpge_epi32_mask(high##q, floor) << 16; \
        _mm512_storeu_si512(out[q], low##q); \
        _mm512_storeu_si512(out[q] + 16, high##q); \
    } \
}
    EACH(BEGIN)
    for (int64_t d = 0; d < dim; d += 4) {
        const __m512i one = _mm512_loadu_si512(block + d * ROWS), other = _mm512_loadu_si512(block + d * ROWS + 64);
        EACH(ADD)
    }
    uint32_t some = 0;
    EACH(COMPARE)
    return some;
#undef BEGIN
#undef ADD
#undef COMPARE
}
#endif

/* ---- AMX: the same block, not raised; 16 queries at once, for vectors of whole 64 values */

#if HAS_AMX
typedef struct {
    uint8_t palette, start_row, reserved[14];
    uint16_t bytes_of_row[16];
    uint8_t rows[16];
} __attribute__((aligned(64))) tile_shapes;

/* Asks the system once for the tiles' registers. */
static int may_use_tiles(void) {
    static int answer = -1;
    if (answer < 0)
        answer = syscall(SYS_arch_prctl, 0x1023 /* ARCH_REQ_XCOMP_PERM */, 18 /* the tiles' data */) == 0;
    return answer;
}

static void pack_amx(const int8_t *codes, int64_t rows, int64_t dim, uint8_t *packed) {
    for (int64_t first = 0; first < rows; first += ROWS)
        for (int64_t d = 0; d < dim; d += 4)
            for (int64_t row = 0; row < ROWS; row++, packed += 4) {
                if (first + row < rows)
                    memcpy(packed, codes + (first + row) * dim + d, 4);
                else
                    memset(packed, 0, 4);
            }
}

__attribute__((target("avx512f,avx512bw,amx-tile,amx-int8")))
static uint32_t multiply_amx(const uint8_t *block, int64_t dim, const group *g, products out, uint32_t reached[QUERIES]) {
    _tile_zero(0);
    _tile_zero(1);
    for (int64_t d = 0; d < dim; d += 64) {
        _tile_loadd(2, g->together + d, dim);
        _tile_loadd(3, block + d * ROWS, 4 * ROWS);
        _tile_loadd(4, block + d * ROWS + 64, 4 * ROWS);
        _tile_dpbssd(0, 2, 3);
        _tile_dpbssd(1, 2, 4);
    }
    _tile_stored(0, out[0], sizeof out[0]);
    _tile_stored(1, out[0] + 16, sizeof out[0]);
    uint32_t some = 0;
    for (int q = 0; q < QUERIES; q++) {
        const __m512i floor = _mm512_set1_epi32(g->floor[q]);
        reached[q] = _mm512_cmpge_epi32_mask(_mm512_loadu_si512(out[q]), floor) |
                     (uint32_t)_mm512_cmpge_epi32_mask(_mm512_loadu_si512(out[q] + 16), floor) << 16;
        some |= (uint32_t)(reached[q] != 0) << q;
    }
    return some;
}

__attribute__((target("amx-tile")))
static void begin_tiles(void) {
    /* Static: of one on the stack, compilers may leave out what the instruction is not declared to read. */
    static const tile_shapes shapes = {.palette = 1, .bytes_of_row = {64, 64, 64, 64, 64}, .rows = {16, 16, 16, 16, 16}};
    _tile_loadconfig(&shapes);
}

__attribute__((target("amx-tile")))
static void end_tiles(void) { _tile_release(); }
#endif

/* Which instructions a call may use: all that this processor has, none that not every one has, or none of AMX. */
enum { ALL = 0, PLAIN = 1, NO_TILES = 2 };

static processor this_processor(int64_t dim, int64_t instructions) {
#if HAS_AMX
    if (instructions == ALL && dim % 64 == 0 && dim <= TOGETHER && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("amx-int8") && may_use_tiles())
        return (processor){pack_amx, multiply_amx, 0, QUERIES, begin_tiles, end_tiles};
#endif
#if HAS_X86
    if (instructions != PLAIN && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vnni"))
        return (processor){pack_vnni, multiply_vnni, 128, MANY, nothing, nothing};
#endif
    (void)dim;
    (void)instructions;
    return (processor){pack_any, multiply_any, 0, FEW, nothing, nothing};
}

/* ---- groups */

/* Returns what the sums of each query begin with; NULL without memory. */
static int32_t *bases_of(const processor *cpu, const int8_t *queries, int64_t n, int64_t dim) {
    int32_t *base = calloc((size_t)n + 1, sizeof *base);
    if (base && cpu->raised)
        for (int64_t q = 0; q < n; q++) {
            for (int64_t d = 0; d < dim; d++)
                base[q] -= queries[q * dim + d];
            base[q] *= cpu->raised;
        }
    return base;
}

/* Puts the next of `count` queries into a group; none has a floor yet. */
static void fill_group(group *g, const processor *cpu, const int8_t *queries, const int32_t *base, int64_t dim, const int64_t *numbers, int64_t count) {
    g->count = count < cpu->queries ? (int)count : cpu->queries;
    for (int q = 0; q < cpu->queries; q++) {
        g->vectors[q] = queries + numbers[q < g->count ? q : 0] * dim;
        g->base[q] = base[numbers[q < g->count ? q : 0]];
        g->floor[q] = q < g->count ? INT32_MIN : INT32_MAX;
        if (cpu->queries == QUERIES)
            memcpy(g->together + q * dim, g->vectors[q], (size_t)dim);
    }
}

static int64_t whole_blocks(int64_t rows) { return (rows + ROWS - 1) / ROWS * ROWS; }

/* ---- the best of a list */

/* Writes the products of the queries of a group with the rows of a list, those of a query together: whole blocks of them, in which rows that
 * there are not have the least of all. */
static void multiply_all(const processor *cpu, const uint8_t *packed, int64_t rows, int64_t dim, const group *g, int32_t *scores) {
    const int64_t width = whole_blocks(rows);
    products out;
    uint32_t reached[QUERIES];
    for (int64_t first = 0; first < rows; first += ROWS) {
        cpu->multiply(packed + first * dim, dim, g, out, reached);
        for (int q = 0; q < g->count; q++)
            memcpy(scores + q * width + first, out[q], sizeof out[q]);
    }
    for (int q = 0; q < g->count; q++)
        for (int64_t row = rows; row < width; row++)
            scores[q * width + row] = INT32_MIN;
}

/* How many scores are at least so large, and below, which of those is the smallest: in whole blocks, of which compilers make vectors. */
FOR_EACH_PROCESSOR
static int64_t count_from(const int32_t *scores, int64_t width, int32_t least) {
    int32_t counts[ROWS] = {0};
    int64_t count = 0;
    for (int64_t first = 0; first < width; first += ROWS)
        for (int row = 0; row < ROWS; row++)
            counts[row] += scores[first + row] >= least;
    for (int row = 0; row < ROWS; row++)
        count += counts[row];
    return count;
}

FOR_EACH_PROCESSOR
static int32_t smallest_from(const int32_t *scores, int64_t width, int32_t least) {
    int32_t lowest[ROWS], smallest = INT32_MAX;
    for (int row = 0; row < ROWS; row++)
        lowest[row] = INT32_MAX;
    for (int64_t first = 0; first < width; first += ROWS)
        for (int row = 0; row < ROWS; row++) {
            const int32_t score = scores[first + row];
            lowest[row] = score >= least && score < lowest[row] ? score : lowest[row];
        }
    for (int row = 0; row < ROWS; row++)
        smallest = lowest[row] < smallest ? lowest[row] : smallest;
    return smallest;
}

/* Returns the `wanted`-th largest of at least so many scores, all of which lie between -above and above: halves where it may lie. */
static int32_t score_of_best(const int32_t *scores, int64_t width, int32_t above, int64_t wanted) {
    int32_t least = -above;
    while (above - least > 1) {
        const int32_t middle = least + (above - least) / 2;
        const int64_t count = count_from(scores, width, middle);
        if (count == wanted)
            return smallest_from(scores, width, middle);
        if (count > wanted)
            least = middle;
        else
            above = middle;
    }
    return least;
}

/* ---- called from Python */

/* Writes the `k` first neighbours of each of `n` queries, out of packed ones in rising order; row -1 and minus infinity for those that
 * there are not. */
void unpack(const int64_t *packed, int64_t length, int64_t n, int64_t k, const uint32_t *ids, float unit, int64_t score_bits,
            int64_t row_bits, int64_t *rows, float *scores) {
    const int64_t middle = ((int64_t)1 << (score_bits - 1)) - 1;
    const int64_t of_score = ((int64_t)1 << score_bits) - 1, of_row = ((int64_t)1 << row_bits) - 1;
    int64_t at = 0;
    for (int64_t query = 0; query < n; query++) {
        int64_t taken = 0;
        for (; at < length && packed[at] >> (score_bits + row_bits) == query; at++, taken++)
            if (taken < k) {
                rows[query * k + taken] = ids[packed[at] & of_row];
                scores[query * k + taken] = (float)(middle - (packed[at] >> row_bits & of_score)) * unit;
            }
        for (; taken < k; taken++) {
            rows[query * k + taken] = -1;
            scores[query * k + taken] = -INFINITY;
        }
    }
}

/* Looks through lists for rows that reach the floor of a query, and writes each as one number: query, falling score, row.
 *
 * List l holds the rows list_offsets[l]..list_offsets[l + 1] of `codes`, and is looked at by those of the `n` queries
 * asking[asking_offsets[l]]..asking[asking_offsets[l + 1]]. With `wanted`, the floor of a query becomes the score of its
 * `wanted`-th best row in that list, if there are so many. Returns how many were written, or -1 without memory; stops when
 * `room` could be too small for the next queries, with list and query to go on from in `place`.
 */
int64_t scan(const int8_t *codes, const int64_t *list_offsets, int64_t lists, int64_t dim, const int8_t *queries, int64_t n,
             const int64_t *asking_offsets, const int64_t *asking, int64_t wanted, int32_t *floor, int64_t score_bits,
             int64_t row_bits, int64_t *place, int64_t *found, int64_t room, int64_t instructions) {
    const processor cpu = this_processor(dim, instructions);
    group g;
    const int64_t middle = ((int64_t)1 << (score_bits - 1)) - 1;
    int64_t longest = 0, written = 0;
    for (int64_t list = 0; list < lists; list++)
        if (list_offsets[list + 1] - list_offsets[list] > longest)
            longest = list_offsets[list + 1] - list_offsets[list];
    uint8_t *packed = malloc((size_t)(whole_blocks(longest) * dim) + 1);
    int32_t *scores = malloc((size_t)(wanted ? QUERIES * whole_blocks(longest) + 1 : 1) * sizeof *scores);
    int32_t *base = bases_of(&cpu, queries, n, dim);
    int full = !packed || !scores || !base;
    if (full)
        written = -1;
    cpu.begin();
    for (int64_t list = place[0]; !full && list < lists; list++) {
        const int64_t start = list_offsets[list], rows = list_offsets[list + 1] - start;
        const int64_t last = asking_offsets[list + 1];
        int64_t first = place[1] > asking_offsets[list] ? place[1] : asking_offsets[list];
        if (first < last && rows)
            cpu.pack(codes + start * dim, rows, dim, packed);
        for (; rows && first < last; first += cpu.queries) {
            if (room - written < cpu.queries * rows) {
                full = 1;
                break;
            }
            fill_group(&g, &cpu, queries, base, dim, asking + first, last - first);
            if (wanted && rows >= wanted) {
                multiply_all(&cpu, packed, rows, dim, &g, scores);
                for (int q = 0; q < g.count; q++)
                    floor[asking[first + q]] = score_of_best(scores + q * whole_blocks(rows), whole_blocks(rows), LARGEST(dim), wanted);
            }
            for (int q = 0; q < g.count; q++)
                g.floor[q] = floor[asking[first + q]];
            for (int64_t block = 0; block < rows; block += ROWS) {
                products out;
                uint32_t reached[QUERIES];
                const uint32_t there = rows - block < ROWS ? (1u << (rows - block)) - 1 : UINT32_MAX;
                for (uint32_t some = cpu.multiply(packed + block * dim, dim, &g, out, reached); some; some &= some - 1) {
                    const int q = __builtin_ctz(some);
                    for (uint32_t good = reached[q] & there; good; good &= good - 1) {
                        const int row = __builtin_ctz(good);
                        const int64_t score = asking[first + q] << score_bits | (middle - out[q][row]);
                        found[written++] = score << row_bits | (start + block + row);
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
    cpu.end();
    free(packed);
    free(scores);
    free(base);
    return written;
}
