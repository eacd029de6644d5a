import type { Command } from 'commander';
import { type ChannelSettings, channelSettings } from './channel.js';
import { addressesFromEnv, Connection } from './connection.js';
import { Terminal } from './terminal.js';

/** What every command gets: where the services are, where to write, and the user's Ctrl-C. */
export interface Context {
  connection: Connection;
  terminal: Terminal;
  signal: AbortSignal;
}

export interface GlobalOptions extends ChannelSettings {
  address?: string;
  json?: boolean;
  timeout?: number;
}

export type Action = (context: Context, ...args: never[]) => Promise<void>;

/** Binds a command's action to the context made from the global options; the channels close behind it. */
export function withContext(signal: AbortSignal) {
  return <Args extends unknown[]>(action: (context: Context, ...args: Args) => Promise<void>) =>
    async (...args: [...Args, Command]): Promise<void> => {
      const command = args.at(-1) as Command;
      const options = command.optsWithGlobals<GlobalOptions>();
      const connection = new Connection(addressesFromEnv(options.address, process.env), {
        timeoutMs: options.timeout === undefined ? undefined : options.timeout * 1000,
        signal,
        channel: channelSettings(options, process.env),
      });
      const context = { connection, terminal: new Terminal(options.json ?? false), signal };
      try {
        await action(context, ...(args.slice(0, -1) as Args));
      } finally {
        connection.close();
      }
    };
}
export type WithContext = ReturnType<typeof withContext>;
