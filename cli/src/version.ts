export const VERSION = process.env.BATCHSENDER_VERSION ?? '0.0.0';
