/** One reply of the server: its code and its lines as they came, joined by CRLF. */
export interface Reply {
  code: number;
  text: string;
}

/** Longer than any sane reply: RFC 5321 §4.5.3.1.5 allows 512 octets a line. */
const MAX_REPLY_BYTES = 65_536;

/** Cuts the server's bytes into replies, however they are split over packets. */
export class ReplyParser {
  private rest = '';
  private lines: string[] = [];

  /** @throws Error when what comes is no SMTP */
  push(chunk: string): Reply[] {
    const replies: Reply[] = [];
    this.rest += chunk;
    for (let end = this.rest.indexOf('\n'); end >= 0; end = this.rest.indexOf('\n')) {
      const line = this.rest.slice(0, this.rest[end - 1] === '\r' ? end - 1 : end);
      this.rest = this.rest.slice(end + 1);
      if (!/^[2-5]\d\d(?:[ \-\t]|$)/.test(line))
        throw new Error(`not an SMTP reply: ${JSON.stringify(line.slice(0, 80))}`);
      this.lines.push(line);
      if (line[3] === '-') continue;
      replies.push({ code: Number(line.slice(0, 3)), text: this.lines.join('\r\n') });
      this.lines = [];
    }
    if (this.rest.length + this.lines.length > MAX_REPLY_BYTES) throw new Error('the reply has no end');
    return replies;
  }
}
