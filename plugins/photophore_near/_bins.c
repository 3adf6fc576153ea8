/* Neighbours into bins of diagonals, and the best bins of each protein and target.
 *
 * Called through ctypes by bins.py, which checks the shapes and has the same in numpy. Weights are whole numbers, so that no order
 * of the neighbours changes a sum.
 */
#include <math.h>
#include <stdint.h>
#include <string.h>

/* How the parts of a packed neighbour lie in it, and what the weights are made with. */
typedef struct {
    int64_t target_bits, bin_bits, weight_bits;
    int64_t step;    /* of a target's rows, in positions */
    int64_t longest; /* what is added to a diagonal, so that it is not negative */
    int64_t half;    /* diagonals in half a bin */
    float margin, gate;
} packing;

/* Packs every neighbour that counts, and returns how many do, or -1 with `largest_bin` if one lies in a bin without a number.
 *
 * scores and rows are n x k; vector v was searched at residue positions[v] of protein proteins[v].
 */
int64_t pack(const float *scores, const int64_t *rows, int64_t n, int64_t k, const int32_t *positions, const int64_t *proteins,
             const int32_t *target_of_row, const int64_t *target_begins, const packing *p, int64_t *packed, int64_t *largest_bin) {
    const int64_t most = ((int64_t)1 << p->weight_bits) - 1;
    int64_t count = 0;
    *largest_bin = 0;
    for (int64_t v = 0; v < n; v++) {
        const float *own = scores + v * k;
        float last = INFINITY;
        for (int64_t i = 0; i < k; i++)
            if (isfinite(own[i]) && own[i] < last)
                last = own[i];
        const float below = last - p->margin;
        const float floor = below > p->gate ? below : p->gate;
        for (int64_t i = 0; i < k; i++) {
            const float above = own[i] - floor;
            if (!(above > 0))
                continue;
            const int64_t row = rows[v * k + i], target = target_of_row[row];
            const int64_t diagonal = (row - target_begins[target]) * p->step - positions[v] + p->longest;
            const int64_t bin = diagonal / p->half;
            const float scaled = above * (float)most;
            const int64_t weight = scaled < (float)most ? (int64_t)rintf(scaled) : most;
            *largest_bin = bin > *largest_bin ? bin : *largest_bin;
            packed[count++] = ((proteins[v] << p->target_bits | target) << p->bin_bits | bin) << p->weight_bits | weight;
        }
    }
    return *largest_bin >> p->bin_bits ? -1 : count;
}

/* Returns the place of the largest of `n` sums, of equals the first; -1 if all are below 0. */
static int64_t place_of_largest(const int64_t *sums, int64_t n) {
    int64_t best = -1;
    for (int64_t i = 0; i < n; i++)
        if (sums[i] >= 0 && (best < 0 || sums[i] > sums[best]))
            best = i;
    return best;
}

/* Numbers of which the largest float has the smallest, and equal ones the same. */
static uint64_t falling(float score) {
    int32_t bits;
    score += 0.0f; /* there is one zero */
    memcpy(&bits, &score, sizeof bits);
    return (uint32_t)(INT32_MAX - (int64_t)(bits ^ ((bits >> 31) & INT32_MAX)));
}

/* Puts `n` pairs of a protein in the order of their falling scores; equal ones stay in theirs. `stride` lies between the columns of `offsets`,
 * and both spares have room for n numbers. */
static void best_first(int64_t n, int32_t *targets, float *scores, int32_t *offsets, int64_t most, int64_t stride, uint64_t *keys,
                       uint64_t *spare) {
    for (int64_t i = 0; i < n; i++)
        keys[i] = falling(scores[i]) << 32 | (uint64_t)i;
    for (int digit = 32; digit < 64; digit += 8) {
        int64_t begins[256] = {0}, next = 0;
        for (int64_t i = 0; i < n; i++)
            begins[keys[i] >> digit & 255]++;
        for (int value = 0; value < 256; value++) {
            const int64_t count = begins[value];
            begins[value] = next;
            next += count;
        }
        for (int64_t i = 0; i < n; i++)
            spare[begins[keys[i] >> digit & 255]++] = keys[i];
        uint64_t *const sorted = spare;
        spare = keys;
        keys = sorted;
    }
    int32_t *const copy = (int32_t *)spare;
    for (int64_t column = -2; column < most; column++) {
        void *const values = column == -2 ? (void *)scores : column == -1 ? (void *)targets : (void *)(offsets + column * stride);
        int32_t *const sorted = values;
        memcpy(copy, values, (size_t)n * sizeof *copy);
        for (int64_t i = 0; i < n; i++)
            memcpy(sorted + i, copy + (uint32_t)keys[i], sizeof *copy);
    }
}

/* Writes the pairs of protein and target among `n` sorted packed neighbours whose score reaches the threshold: for each protein how many there are,
 * and those of protein after protein, best first and of equals the first target.
 *
 * The score of a pair is the largest sum of a bin and the next one, as a share of the largest weight; with `means`, it is counted from the
 * target's mean in spreads. Beside it stand the residues on which the target begins by each of the `most` bins with the largest such sums,
 * none of them next to another, of equals the first; `nowhere` for those that there are not. `offsets` has `most` columns of `n`.
 * Returns how many pairs there are. `scratch` has room for 4 n numbers.
 */
int64_t best_bins(const int64_t *packed, int64_t n, const packing *p, int64_t most, const float *means, const float *spreads,
                  double threshold, int32_t nowhere, int64_t *scratch, int64_t *counts, int32_t *targets, float *scores,
                  int32_t *offsets) {
    const int64_t of_weight = ((int64_t)1 << p->weight_bits) - 1, of_bin = ((int64_t)1 << p->bin_bits) - 1;
    const int64_t of_target = ((int64_t)1 << p->target_bits) - 1;
    int64_t count = 0, *own = scratch, *both = scratch + n;
    for (int64_t i = 0; i < n;) {
        const int64_t protein = packed[i] >> (p->weight_bits + p->bin_bits + p->target_bits), begin = count;
        while (i < n && packed[i] >> (p->weight_bits + p->bin_bits + p->target_bits) == protein) {
            const int64_t pair = packed[i] >> (p->weight_bits + p->bin_bits), target = pair & of_target;
            int64_t length = 0;
            while (i < n && packed[i] >> (p->weight_bits + p->bin_bits) == pair) {
                const int64_t key = packed[i] >> p->weight_bits;
                own[length] = key & of_bin;
                both[length] = 0;
                for (; i < n && packed[i] >> p->weight_bits == key; i++)
                    both[length] += packed[i] & of_weight;
                if (length && own[length] == own[length - 1] + 1)
                    both[length - 1] += both[length];
                length++;
            }
            int64_t best = place_of_largest(both, length);
            const float share = (float)((double)both[best] / (double)of_weight);
            const double score = means ? ((double)share - (double)means[target]) / (double)spreads[target] : (double)share;
            if (!(score >= threshold))
                continue;
            targets[count] = (int32_t)target;
            scores[count] = (float)score;
            for (int64_t taken = 0; taken < most; taken++, best = place_of_largest(both, length)) {
                offsets[taken * n + count] = best < 0 ? nowhere : (int32_t)(p->longest - (own[best] + 1) * p->half);
                if (best < 0)
                    continue;
                if (best && own[best - 1] == own[best] - 1)
                    both[best - 1] = -1;
                if (best + 1 < length && own[best + 1] == own[best] + 1)
                    both[best + 1] = -1;
                both[best] = -1;
            }
            count++;
        }
        counts[protein] = count - begin;
        best_first(count - begin, targets + begin, scores + begin, offsets + begin, most, n, (uint64_t *)scratch + 2 * n,
                   (uint64_t *)scratch + 3 * n);
    }
    return count;
}
