/**
 * Messages of a partition's queue that its consumer has unsettled, at most: the same for every consumer of every version.
 * A quorum queue puts what a closed channel gives back behind what an earlier one gave back and nobody fetched yet. Order
 * therefore needs that a consumer always fetches all of what was given back, at once: what one gives back another can take.
 */
export const partitionPrefetch = 1_000
