/**
 * Numbers of PostgreSQL's advisory locks, which all share one space: two uses of one number would wait for each other.
 * Any constants serve, as long as every control plane on a database uses the same ones, so none is ever changed.
 */
export const advisoryLocks = {
  roles: 7_333_001,
  migrations: 7_333_002,
  pool: 7_333_003,
  singleUser: 7_333_004,
  admission: 7_333_005,
  drills: 7_333_008,
  ledgerAnchors: 7_333_009,
  prices: 7_333_010,
  trials: 7_333_011,
} as const
