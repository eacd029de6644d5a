export { type Addresses, addressesFromEnv, Connection, STAGES, type Stage } from './connection.js';
export { exitCodeOf } from './exit-codes.js';
export { main } from './main.js';
