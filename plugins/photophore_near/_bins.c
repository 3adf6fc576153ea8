/* Neighbours into bins of diagonals, and the best bins of each protein and target.
 *
 * Called through ctypes by bins.py, which checks the shapes and has the same in numpy. Weights are whole numbers, so that no order
 * of the neighbours changes a sum.
 */
#include <math.h>
#include <stdint.h>

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

/* Writes for each protein and target among `n` sorted packed neighbours, in rising order, the pair, the largest sum of a bin and the next
 * one, and the `most` bins with the largest such sums, none of them next to another, of equals the first; -1 for those that there are not.
 * Returns how many pairs there are. `scratch` has room for 2 n numbers. */
int64_t best_bins(const int64_t *packed, int64_t n, const packing *p, int64_t most, int64_t *scratch, int64_t *pairs, int64_t *sums,
                  int64_t *bins) {
    const int64_t of_weight = ((int64_t)1 << p->weight_bits) - 1, of_bin = ((int64_t)1 << p->bin_bits) - 1;
    int64_t count = 0, *own = scratch, *both = scratch + n;
    for (int64_t i = 0; i < n; count++) {
        const int64_t pair = packed[i] >> (p->weight_bits + p->bin_bits);
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
        pairs[count] = pair;
        for (int64_t taken = 0; taken < most; taken++) {
            int64_t best = -1;
            for (int64_t b = 0; b < length; b++)
                if (both[b] >= 0 && (best < 0 || both[b] > both[best]))
                    best = b;
            bins[count * most + taken] = best < 0 ? -1 : own[best];
            if (!taken)
                sums[count] = both[best];
            if (best < 0)
                continue;
            if (best && own[best - 1] == own[best] - 1)
                both[best - 1] = -1;
            if (best + 1 < length && own[best + 1] == own[best] + 1)
                both[best + 1] = -1;
            both[best] = -1;
        }
    }
    return count;
}
