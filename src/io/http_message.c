/* SPDX-License-Identifier: Apache-2.0 */
#include "io/http_message.h"

#include <string.h>
#include <strings.h>

#include "base/alloc.h"

#define HEAD_MAX (64u << 10)
#define FIELDS_MAX 100
#define CHUNK_LINE_MAX 1024

void http_message_init(struct http_message *message, bool is_answer, size_t max_body)
{
    *message = (struct http_message) {.is_answer = is_answer, .max_body = max_body, .head_left = HEAD_MAX};
}

static void free_fields(struct http_message *message)
{
    for (size_t i = 0; i < message->n_fields; i++) {
        free(message->fields[i].name);
        free(message->fields[i].value);
    }
    message->n_fields = 0;
}

void http_message_free(struct http_message *message)
{
    free_fields(message);
    free(message->fields);
    free(message->method);
    free(message->target);
    strbuf_free(&message->body);
}

const char *http_message_field(const struct http_message *message, const char *name)
{
    for (size_t i = 0; i < message->n_fields; i++)
        if (strcasecmp(message->fields[i].name, name) == 0)
            return message->fields[i].value;
    return NULL;
}

static void bad(struct http_message *message, int fault, const char *why)
{
    message->state = HTTP_BAD;
    message->fault = fault;
    message->why = why;
}

/* RFC 9110 section 5.6.2 */
static bool is_token(const char *s, size_t n)
{
    static const char others[] = "!#$%&'*+-.^_`|~";

    for (size_t i = 0; i < n; i++) {
        char c = s[i];
        bool alphanumeric = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');

        if (!alphanumeric && (c == '\0' || !strchr(others, c)))
            return false;
    }
    return n > 0;
}

/* Visible characters, and above 127 whatever the sender means by them. */
static bool is_text(const char *s, size_t n, bool with_blanks)
{
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char) s[i];
        bool blank = c == ' ' || c == '\t';

        if ((c < 0x20 || c == 0x7f || blank) && !(blank && with_blanks))
            return false;
    }
    return true;
}

#define NO_DIGIT 99

static int read_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : NO_DIGIT;
}

/* The digits in front of 's'. Their number, 0 if there are none or the value is too large. */
static size_t read_number(const char *s, size_t n, unsigned base, size_t *value)
{
    size_t i = 0;

    *value = 0;
    for (; i < n && read_digit(s[i]) < (int) base; i++) {
        if (*value > SIZE_MAX / 32)
            return 0;
        *value = *value * base + (size_t) read_digit(s[i]);
    }
    return i;
}

/* "HTTP/1.0" or "HTTP/1.1", and a higher minor version too, RFC 9110 section 2.5. */
static void read_version(struct http_message *message, const char *s)
{
    if (memcmp(s, "HTTP/", 5) != 0 || read_digit(s[5]) > 9 || s[6] != '.' || read_digit(s[7]) > 9)
        bad(message, 400, "no HTTP version");
    else if (s[5] != '1')
        bad(message, 505, "not HTTP/1");
    else
        message->minor = (unsigned) read_digit(s[7]);
}

#define VERSION_SIZE 8

static void read_request_line(struct http_message *message, const char *line, size_t n)
{
    const char *space = memchr(line, ' ', n);
    const char *last = memrchr(line, ' ', n);

    if (n == 0)
        return; /* RFC 9112 section 2.2: empty lines before a request are ignored */
    if (!space || last == space || n - (size_t) (last + 1 - line) != VERSION_SIZE) {
        bad(message, 400, "malformed request line");
        return;
    }
    size_t method_size = (size_t) (space - line);
    size_t target_size = (size_t) (last - space) - 1;
    if (!is_token(line, method_size) || target_size == 0 || !is_text(space + 1, target_size, false)) {
        bad(message, 400, "malformed request line");
        return;
    }
    message->method = xstrndup(line, method_size);
    message->target = xstrndup(space + 1, target_size);
    message->state = HTTP_FIELDS;
    read_version(message, last + 1);
}

static void read_status_line(struct http_message *message, const char *line, size_t n)
{
    size_t status = 0;

    if (n < VERSION_SIZE + 4 || line[VERSION_SIZE] != ' ' ||
        read_number(line + VERSION_SIZE + 1, 3, 10, &status) != 3 ||
        (n > VERSION_SIZE + 4 && line[VERSION_SIZE + 4] != ' ') || status < 100) {
        bad(message, 400, "malformed status line");
        return;
    }
    message->status = (int) status;
    message->state = HTTP_FIELDS;
    read_version(message, line);
}

/* A message with two of these could be understood in two ways. */
static bool is_unique(const char *name)
{
    return strcasecmp(name, "Content-Length") == 0 || strcasecmp(name, "Transfer-Encoding") == 0 ||
           strcasecmp(name, "Host") == 0;
}

static void read_field(struct http_message *message, const char *line, size_t n)
{
    const char *colon = memchr(line, ':', n);

    /* A line that begins with a blank would continue the one before it; RFC 9112 section 5.2 lets us refuse it. */
    if (!colon || !is_token(line, (size_t) (colon - line))) {
        bad(message, 400, "malformed header field");
        return;
    }
    const char *value = colon + 1;
    const char *end = line + n;
    while (value < end && (*value == ' ' || *value == '\t'))
        value++;
    while (end > value && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    if (!is_text(value, (size_t) (end - value), true)) {
        bad(message, 400, "malformed header field");
        return;
    }
    if (message->n_fields == FIELDS_MAX) {
        bad(message, 431, "more than 100 header fields");
        return;
    }
    AUTO_FREE char *name = xstrndup(line, (size_t) (colon - line));
    if (is_unique(name) && http_message_field(message, name)) {
        bad(message, 400, "header field given twice");
        return;
    }
    message->fields = array_reserve(message->fields, message->n_fields, &message->fields_capacity,
                                    sizeof *message->fields);
    message->fields[message->n_fields++] = (struct http_field) {.name = xstrdup(name),
                                                                .value = xstrndup(value, (size_t) (end - value))};
}

/* True if the comma-separated lists of all fields 'name' contain 'word'. */
static bool lists(const struct http_message *message, const char *name, const char *word)
{
    for (size_t i = 0; i < message->n_fields; i++) {
        const char *s = message->fields[i].value;

        if (strcasecmp(message->fields[i].name, name) != 0)
            continue;
        while (*s) {
            s += strspn(s, ", \t");
            size_t n = strcspn(s, ", \t");
            if (n == strlen(word) && strncasecmp(s, word, n) == 0)
                return true;
            s += n;
        }
    }
    return false;
}

/* Length of the body, RFC 9112 section 6.3. */
static void read_framing(struct http_message *message)
{
    const char *encoding = http_message_field(message, "Transfer-Encoding");
    const char *length = http_message_field(message, "Content-Length");

    if (message->is_answer && (message->status == 204 || message->status == 304)) {
        message->state = HTTP_COMPLETE;
    } else if (encoding) {
        if (length || message->minor == 0)
            bad(message, 400, "Transfer-Encoding beside Content-Length or in HTTP/1.0");
        else if (strcasecmp(encoding, "chunked") != 0)
            bad(message, 501, "Transfer-Encoding other than chunked");
        else
            message->state = HTTP_CHUNK_SIZE;
    } else if (length) {
        size_t n = strlen(length);

        if (n == 0 || strspn(length, "0123456789") != n)
            bad(message, 400, "malformed Content-Length");
        else if (read_number(length, n, 10, &message->body_left) != n || message->body_left > message->max_body)
            bad(message, 413, "body larger than the limit");
        else
            message->state = message->body_left ? HTTP_BODY : HTTP_COMPLETE;
    } else if (message->is_answer) {
        bad(message, 400, "neither Content-Length nor chunks");
    } else {
        message->state = HTTP_COMPLETE;
    }
}

static void end_head(struct http_message *message)
{
    if (message->is_answer && message->status < 200) {
        free_fields(message);
        message->state = HTTP_FIRST_LINE;
        return;
    }
    if (!message->is_answer && message->minor > 0 && !http_message_field(message, "Host")) {
        bad(message, 400, "no Host");
        return;
    }
    message->keep_alive = message->minor > 0 ? !lists(message, "Connection", "close") :
                                               lists(message, "Connection", "keep-alive");
    message->expects_continue = lists(message, "Expect", "100-continue");
    read_framing(message);
}

static void read_chunk_size(struct http_message *message, const char *line, size_t n)
{
    size_t size = 0;
    size_t digits = read_number(line, n, 16, &size);

    /* Extensions may follow, RFC 9112 section 7.1.1; none is known. */
    if (digits == 0 || (digits < n && !memchr("; \t", line[digits], 3)))
        bad(message, 400, "malformed chunk");
    else if (size > message->max_body - message->body.length)
        bad(message, 413, "body larger than the limit");
    else
        message->state = size ? HTTP_CHUNK : HTTP_TRAILER;
    message->body_left = size;
}

static void read_line(struct http_message *message, const char *line, size_t n)
{
    switch (message->state) {
    case HTTP_FIRST_LINE:
        if (message->is_answer)
            read_status_line(message, line, n);
        else
            read_request_line(message, line, n);
        break;
    case HTTP_FIELDS:
        if (n > 0)
            read_field(message, line, n);
        else
            end_head(message);
        break;
    case HTTP_CHUNK_SIZE:
        read_chunk_size(message, line, n);
        break;
    case HTTP_CHUNK_END:
        if (n > 0)
            bad(message, 400, "malformed chunk");
        else
            message->state = HTTP_CHUNK_SIZE;
        break;
    default: /* HTTP_TRAILER: nobody reads its fields */
        if (n == 0)
            message->state = HTTP_COMPLETE;
        break;
    }
}

static size_t feed_line(struct http_message *message, const char *bytes, size_t n)
{
    const bool chunk = message->state == HTTP_CHUNK_SIZE || message->state == HTTP_CHUNK_END;
    const size_t limit = chunk ? CHUNK_LINE_MAX : message->head_left;
    const char *end = memchr(bytes, '\n', n);
    const size_t size = end ? (size_t) (end - bytes) + 1 : n;

    if (size > limit) {
        bad(message, chunk ? 400 : 431, "line or header too long");
        return 0;
    }
    if (!end)
        return 0;
    if (size < 2 || end[-1] != '\r') {
        bad(message, 400, "line ends without CR");
        return 0;
    }
    if (!chunk)
        message->head_left -= size;
    read_line(message, bytes, size - 2);
    return size;
}

static size_t feed_body(struct http_message *message, const char *bytes, size_t n)
{
    if (n > message->body_left)
        n = message->body_left;
    strbuf_add(&message->body, bytes, n);
    message->body_left -= n;
    if (message->body_left == 0)
        message->state = message->state == HTTP_CHUNK ? HTTP_CHUNK_END : HTTP_COMPLETE;
    return n;
}

size_t http_message_feed(struct http_message *message, const void *bytes, size_t n)
{
    size_t used = 0;

    while (used < n && message->state != HTTP_COMPLETE && message->state != HTTP_BAD) {
        const bool body = message->state == HTTP_BODY || message->state == HTTP_CHUNK;
        const char *next = (const char *) bytes + used;
        size_t taken = body ? feed_body(message, next, n - used) : feed_line(message, next, n - used);

        if (taken == 0)
            break;
        used += taken;
    }
    return used;
}
