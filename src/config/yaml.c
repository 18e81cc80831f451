/* SPDX-License-Identifier: Apache-2.0 */
/* libcyaml reports a failure as a series of log lines: what is wrong, "Backtrace:", and then, from the inside out, the
 * mappings and sequences that it was in, each with the position of what was read last there. That is not always the
 * thing that is wrong: of an unknown or repeated key it is the value before, of a missing one a sibling, and of a
 * syntax error often nothing. */
#include "config/yaml.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <yaml.h>

#include "base/alloc.h"
#include "base/strbuf.h"

#define FILE_SIZE_MAX (1024 * 1024)
#define DEPTH_MAX 8

struct position {
    unsigned long line, column; /* from 1; 0: not known */
};

struct frame {
    char name[64]; /* of a mapping's field; "": none was read yet, or a sequence */
    bool sequence;
    unsigned long entry; /* of a sequence, from 1 */
    struct position at;
};

struct capture {
    char message[256];              /* the first that is no part of a backtrace; "": nothing was said */
    struct frame frames[DEPTH_MAX]; /* from the inside out */
    size_t n_frames;
};

static void *allocate(void *context, void *p, size_t size)
{
    (void) context;
    if (size)
        return xrealloc(p, size, 1);
    free(p);
    return NULL;
}

static bool read_frame(const char *line, struct frame *frame)
{
    *frame = (struct frame) {0};
    if (sscanf(line, " in mapping field '%63[^']' (line: %lu, column: %lu)", frame->name, &frame->at.line,
               &frame->at.column) == 3)
        return true;
    if (sscanf(line, " in sequence entry '%lu' (line: %lu, column: %lu)", &frame->entry, &frame->at.line,
               &frame->at.column) == 3) {
        frame->sequence = true;
        return true;
    }
    frame->name[0] = '\0';
    return sscanf(line, " in mapping (line: %lu, column: %lu)", &frame->at.line, &frame->at.column) == 2;
}

static void capture_line(cyaml_log_t level, void *context, const char *format, va_list args)
    __attribute__((format(printf, 3, 0)));

static void capture_line(cyaml_log_t level, void *context, const char *format, va_list args)
{
    struct capture *capture = context;
    char line[sizeof capture->message];
    const char *text = line;
    struct frame frame;

    (void) level;
    vsnprintf(line, sizeof line, format, args);
    line[strcspn(line, "\n")] = '\0';
    if (strncmp(line, "Load: ", 6) == 0)
        text += 6;
    if (read_frame(text, &frame)) {
        if (capture->n_frames < DEPTH_MAX)
            capture->frames[capture->n_frames++] = frame;
    } else if (!capture->message[0]) {
        snprintf(capture->message, sizeof capture->message, "%s", text);
    }
}

/* Where 'key' stands as a key, not before 'after'. */
static struct position find_key(const char *text, const char *key, struct position after)
{
    struct position at = {1, 1};
    size_t n = strlen(key);

    for (const char *p = text; *p; p++) {
        if ((at.line > after.line || (at.line == after.line && at.column >= after.column)) && strncmp(p, key, n) == 0 &&
            (p == text || !isalnum((unsigned char) p[-1]))) {
            const char *end = p + n + strspn(p + n, "\"' ");

            if (*end == ':')
                return at;
        }
        at.column++;
        if (*p == '\n')
            at = (struct position) {at.line + 1, 1};
    }
    return after;
}

/* Where libyaml's parser stops. */
static struct position find_syntax_error(const char *text)
{
    yaml_parser_t parser;
    yaml_event_t event;
    bool go_on = true;
    struct position at = {0};

    if (!yaml_parser_initialize(&parser))
        return at;
    yaml_parser_set_input_string(&parser, (const unsigned char *) text, strlen(text));
    while (go_on) {
        if (!yaml_parser_parse(&parser, &event)) {
            at = (struct position) {parser.problem_mark.line + 1, parser.problem_mark.column + 1};
            break;
        }
        go_on = event.type != YAML_STREAM_END_EVENT;
        yaml_event_delete(&event);
    }
    yaml_parser_delete(&parser);
    return at;
}

/* "servers[1].uri", from the outermost frame to the one at 'innermost'. */
static void put_path(const struct capture *capture, size_t innermost, struct strbuf *out)
{
    for (size_t i = capture->n_frames; i-- > innermost;) {
        const struct frame *frame = &capture->frames[i];

        if (frame->sequence)
            strbuf_printf(out, "[%lu]", frame->entry ? frame->entry - 1 : 0);
        else if (frame->name[0])
            strbuf_printf(out, "%s%s", out->length ? "." : "", frame->name);
    }
}

/* How a person would say what libcyaml says. The rest of the line after 'prefix' is the offending thing. */
static const struct wording {
    const char *prefix, *text;
    enum { THE_VALUE, THE_PARENT, THE_KEY, THE_MISSING, THE_SYNTAX } about;
} wordings[] = {
    {"Unexpected key: ", "unknown key", THE_KEY},
    {"Mapping field already seen: ", "this key stands here twice", THE_KEY},
    {"Missing required mapping field: ", "this key is missing", THE_MISSING},
    {"Invalid UINT value: ", "not a whole number, or out of range: ", THE_VALUE},
    {"Invalid uint64_t value: ", "not a whole number, or out of range: ", THE_VALUE},
    {"Invalid ENUM value: ", "none of the words that are allowed here: ", THE_VALUE},
    {"STRING length < 1: ", "this value is empty", THE_VALUE},
    {"STRING length > ", "longer than ", THE_VALUE},
    {"Expecting UINT, got event: ", "a number is expected here, not a ", THE_VALUE},
    {"Expecting STRING, got event: ", "a text is expected here, not a ", THE_VALUE},
    {"Expecting ENUM, got event: ", "a word is expected here, not a ", THE_VALUE},
    {"Expecting MAPPING, got event: ", "keys with values are expected here, not a ", THE_VALUE},
    {"Expecting SEQUENCE, got event: ", "a list is expected here, not a ", THE_VALUE},
    {"Insufficient entries ", "too few entries ", THE_PARENT},
    {"Excessive entries ", "too many entries ", THE_PARENT},
    {"libyaml: ", "not YAML: ", THE_SYNTAX},
    {"Ignoring documents after first in stream", "only one document may stand in this file", THE_SYNTAX},
    {"", "", THE_VALUE},
};

static const struct {
    const char *event, *text;
} event_words[] = {
    {"SCALAR", "single value"},
    {"SEQUENCE_START", "list"},
    {"MAPPING_START", "group of keys"},
};

static const struct wording *find_wording(const char *message)
{
    const struct wording *w = wordings;

    while (strncmp(message, w->prefix, strlen(w->prefix)) != 0)
        w++;
    return w;
}

/* What libcyaml says about the thing, if it says more than its name. */
static void put_rest(const struct wording *wording, const char *rest, struct strbuf *out)
{
    if (wording->about == THE_KEY || wording->about == THE_MISSING)
        return;
    for (size_t i = 0; i < ARRAY_LEN(event_words); i++)
        if (strcmp(rest, event_words[i].event) == 0)
            rest = event_words[i].text;
    strbuf_puts(out, rest);
}

static int explain(const char *path, const char *text, const struct capture *capture, struct err *err)
{
    AUTO_STRBUF struct strbuf member = {0}, sentence = {0};
    const struct wording *wording = find_wording(capture->message);
    const char *rest = capture->message + strlen(wording->prefix);
    /* The innermost frame names the sibling that was read last. */
    size_t innermost = wording->about != THE_VALUE && capture->n_frames ? 1 : 0;
    struct position at = capture->n_frames ? capture->frames[0].at : (struct position) {1, 1};

    put_path(capture, innermost, &member);
    switch (wording->about) {
    case THE_KEY:
    case THE_MISSING:
        strbuf_printf(&member, "%s%s", member.length ? "." : "", rest);
        if (wording->about == THE_KEY)
            at = find_key(text, rest, at);
        else
            at = capture->n_frames > 1 ? capture->frames[1].at : (struct position) {1, 1};
        break;
    case THE_SYNTAX:
        strbuf_clear(&member);
        at = find_syntax_error(text);
        break;
    case THE_PARENT:
        at = capture->n_frames > 1 ? capture->frames[1].at : at;
        break;
    case THE_VALUE:
        break;
    }
    strbuf_puts(&sentence, path);
    if (at.line)
        strbuf_printf(&sentence, ":%lu:%lu", at.line, at.column);
    strbuf_puts(&sentence, ": ");
    if (member.length)
        strbuf_printf(&sentence, "%s: ", member.text);
    strbuf_puts(&sentence, wording->text);
    put_rest(wording, rest, &sentence);
    return err_set(err, ERR_INVALID, "%s", sentence.text);
}

/* libcyaml takes "80.5" and "80x" for 80, and "010" for 8. Finds the first such number; true if there is one, with its
 * node and path. Goes no deeper than the schema, so an alias cannot make it run in circles. */
static bool find_bad_number(yaml_document_t *document, int index, const cyaml_schema_value_t *schema,
                            const yaml_node_t **bad, struct strbuf *path)
{
    const yaml_node_t *node = yaml_document_get_node(document, index);
    size_t length = path->length;

    if (node->type == YAML_SCALAR_NODE && schema->type == CYAML_UINT) {
        const char *text = (const char *) node->data.scalar.value;

        *bad = node;
        return text[strspn(text, "0123456789")] || (text[0] == '0' && text[1]);
    }
    if (node->type == YAML_SEQUENCE_NODE && schema->type == CYAML_SEQUENCE) {
        const yaml_node_item_t *first = node->data.sequence.items.start;

        for (const yaml_node_item_t *item = first; item < node->data.sequence.items.top; item++) {
            strbuf_printf(path, "[%d]", (int) (item - first));
            if (find_bad_number(document, *item, schema->sequence.entry, bad, path))
                return true;
            path->length = length;
        }
    }
    if (node->type == YAML_MAPPING_NODE && schema->type == CYAML_MAPPING) {
        const yaml_node_pair_t *pair = node->data.mapping.pairs.start;

        for (; pair < node->data.mapping.pairs.top; pair++) {
            const char *key = (const char *) yaml_document_get_node(document, pair->key)->data.scalar.value;
            const cyaml_schema_field_t *field = schema->mapping.fields;

            while (field->key && strcmp(field->key, key) != 0)
                field++;
            strbuf_printf(path, "%s%s", length ? "." : "", key);
            if (field->key && find_bad_number(document, pair->value, &field->value, bad, path))
                return true;
            path->length = length;
        }
    }
    return false;
}

/* Only for what libcyaml has taken: the document has the shape of 'schema'. */
static int check_numbers(const char *path, const char *text, const cyaml_schema_value_t *schema, struct err *err)
{
    AUTO_STRBUF struct strbuf member = {0};
    const yaml_node_t *bad = NULL;
    yaml_parser_t parser;
    yaml_document_t document;
    int status = 0;

    if (!yaml_parser_initialize(&parser))
        return err_set(err, ERR_EXHAUSTED, "%s: no memory to read it", path);
    yaml_parser_set_input_string(&parser, (const unsigned char *) text, strlen(text));
    if (!yaml_parser_load(&parser, &document)) {
        status = err_set(err, ERR_INVALID, "%s: not YAML: %s", path, parser.problem ? parser.problem : "no memory");
    } else {
        if (find_bad_number(&document, 1, schema, &bad, &member))
            status = err_set(err, ERR_INVALID, "%s:%zu:%zu: %s: not a whole number: '%s'", path,
                             bad->start_mark.line + 1, bad->start_mark.column + 1, member.text,
                             (const char *) bad->data.scalar.value);
        yaml_document_delete(&document);
    }
    yaml_parser_delete(&parser);
    return status;
}

static int read_file(const char *path, struct strbuf *text, struct err *err)
{
    char block[4096];
    size_t n;
    FILE *file = fopen(path, "re");

    if (!file)
        return err_set(err, err_from_errno(errno), "%s: cannot be read: %s", path, strerror(errno));
    strbuf_puts(text, "");
    while (text->length <= FILE_SIZE_MAX && (n = fread(block, 1, sizeof block, file)) > 0)
        strbuf_add(text, block, n);

    int errnum = ferror(file) ? errno : 0;
    fclose(file);
    if (errnum)
        return err_set(err, err_from_errno(errnum), "%s: cannot be read: %s", path, strerror(errnum));
    if (text->length > FILE_SIZE_MAX)
        return err_set(err, ERR_INVALID, "%s: larger than %d bytes; this is no configuration file", path,
                       FILE_SIZE_MAX);
    return 0;
}

static cyaml_config_t configure(struct capture *capture)
{
    return (cyaml_config_t) {
        .log_fn = capture_line, .log_ctx = capture, .log_level = CYAML_LOG_WARNING, .mem_fn = allocate};
}

int config_yaml_load(const char *path, const cyaml_schema_value_t *schema, void **data, struct err *err)
{
    AUTO_STRBUF struct strbuf text = {0};
    struct capture capture = {0};
    cyaml_config_t config = configure(&capture);
    void *loaded = NULL;
    int status = read_file(path, &text, err);

    if (status < 0)
        return status;

    cyaml_err_t result = cyaml_load_data((const uint8_t *) text.text, text.length, &config, schema, &loaded, NULL);
    if (result != CYAML_OK || capture.message[0]) {
        config_yaml_free(schema, loaded);
        if (!capture.message[0])
            snprintf(capture.message, sizeof capture.message, "%s", cyaml_strerror(result));
        return explain(path, text.text, &capture, err);
    }
    if (!loaded)
        return err_set(err, ERR_INVALID, "%s: the file is empty", path);
    status = check_numbers(path, text.text, schema, err);
    if (status < 0) {
        config_yaml_free(schema, loaded);
        return status;
    }
    *data = loaded;
    return 0;
}

void config_yaml_free(const cyaml_schema_value_t *schema, void *data)
{
    struct capture ignored = {0};
    cyaml_config_t config = configure(&ignored);

    if (data)
        cyaml_free(&config, schema, data, 0);
}

struct config *config_yaml_load_checked(const char *path, const cyaml_schema_value_t *schema,
                                        void (*complete)(void *document),
                                        int (*check)(struct config *config, struct err *err), struct err *err)
{
    void *document;

    if (config_yaml_load(path, schema, &document, err) < 0)
        return NULL;
    complete(document);
    if (check(document, err) < 0) {
        err_prefix(err, "%s", path);
        config_yaml_free(schema, document);
        return NULL;
    }
    return document;
}
