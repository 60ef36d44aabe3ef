// The part of better-sqlite3 that the tests use; the package itself carries no types.
declare module 'better-sqlite3' {
  import type { SqliteConnection } from '@sluice/embedded'

  interface Better extends SqliteConnection {
    readonly inTransaction: boolean
    transaction(work: () => void): () => void
  }
  const Better: new (path: string) => Better
  export = Better
}
