/**
 * Messages of a partition's queue that its consumer has unsettled, at most: the same for every consumer of every version.
 * A quorum queue puts what a closed channel gives back behind what an earlier one gave back and nobody fetched yet. Order
 * therefore needs that a consumer always fetches all of what was given back, at once: what one gives back another can take.
 */
export const partitionPrefetch = 1_000

/**
 * As many unsettled as the protocol can ask for. 0, which means no limit, means 2,000 for a quorum queue: a lot or a queue of dead
 * letters with more was never read to its end.
 */
export const prefetchMax = 65_535
