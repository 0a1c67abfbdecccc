#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
#
# schema.py DESCRIPTORS OUTPUT: writes what protoc understood of the .proto files as the C tables of
# schema.h, so that a new message or method needs no code. Debian's python has the protobuf module,
# as nanopb's generator needs it.
import sys

from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorSet

TYPES = {
    FieldDescriptorProto.TYPE_BOOL: "BOOL",
    FieldDescriptorProto.TYPE_INT32: "I32",
    FieldDescriptorProto.TYPE_INT64: "I64",
    FieldDescriptorProto.TYPE_UINT32: "U32",
    FieldDescriptorProto.TYPE_UINT64: "U64",
    FieldDescriptorProto.TYPE_STRING: "STRING",
    FieldDescriptorProto.TYPE_BYTES: "BYTES",
    FieldDescriptorProto.TYPE_ENUM: "ENUM",
    FieldDescriptorProto.TYPE_MESSAGE: "MESSAGE",
}


def symbol(name):
    return name.lstrip(".").replace(".", "_")


def literal(text):
    return '"%s"' % text.replace("\\", "\\\\").replace('"', '\\"')


class Comments:
    """The comments of one file, by the path of what they stand at."""

    def __init__(self, file):
        self.by_path = {tuple(l.path): l for l in file.source_code_info.location}

    def at(self, *path):
        location = self.by_path.get(path)
        if location is None:
            return None
        text = location.trailing_comments or location.leading_comments
        return " ".join(text.split()) or None


def all_types(prefix, messages, path):
    for i, message in enumerate(messages):
        name = prefix + "." + message.name
        yield name, message, path + (i,)
        yield from all_types(name, message.nested_type, path + (i, 3))


def all_enums(package, file):
    for enum in file.enum_type:
        yield package + "." + enum.name, enum
    for name, message, _ in all_types(package, file.message_type, (4,)):
        for enum in message.enum_type:
            yield name + "." + enum.name, enum


def write_enums(out, files):
    for file in files:
        for name, enum in all_enums("." + file.package, file):
            out.append("static const struct schema_value values_%s[] = {" % symbol(name))
            out += ["\t{ %s, %d }," % (literal(v.name), v.number) for v in enum.value]
            out.append("};")
            out.append("static const struct schema_enum enum_%s = { values_%s, %d };"
                       % (symbol(name), symbol(name), len(enum.value)))


def field_row(field, maps, comment):
    if field.type not in TYPES:
        sys.exit("field '%s': its type is not supported" % field.name)
    row = [".name = " + literal(field.name), ".number = %d" % field.number,
           ".type = SCHEMA_" + TYPES[field.type]]
    if field.label == FieldDescriptorProto.LABEL_REPEATED:
        row.append(".is_map = true" if field.type_name in maps else ".is_repeated = true")
    if field.HasField("oneof_index"):
        row.append(".is_optional = true")
    if field.type == FieldDescriptorProto.TYPE_MESSAGE:
        row.append(".message = &message_" + symbol(field.type_name))
    if field.type == FieldDescriptorProto.TYPE_ENUM:
        row.append(".values = &enum_" + symbol(field.type_name))
    if comment:
        row.append(".help = " + literal(comment))
    return "\t{ %s }," % ", ".join(row)


def write_messages(out, files):
    messages = [(file, *entry) for file in files
                for entry in all_types("." + file.package, file.message_type, (4,))]
    maps = {name for _, name, message, _ in messages if message.options.map_entry}
    out += ["static const struct schema_message message_%s;" % symbol(name)
            for _, name, _, _ in messages]
    for file, name, message, path in messages:
        comments = Comments(file)
        fields = "NULL"
        if message.field:
            fields = "fields_" + symbol(name)
            out.append("static const struct schema_field %s[] = {" % fields)
            out += [field_row(f, maps, comments.at(*path, 2, i)) for i, f in enumerate(message.field)]
            out.append("};")
        out.append("static const struct schema_message message_%s = { %s, %s, %d };"
                   % (symbol(name), literal(message.name), fields, len(message.field)))


def write_methods(out, files):
    out.append("const struct schema_method schema_methods[] = {")
    count = 0
    for file in files:
        comments = Comments(file)
        for i, service in enumerate(file.service):
            for j, method in enumerate(service.method):
                count += 1
                out.append("\t{ %s, %s, &message_%s, &message_%s, %s }," % (
                    literal(file.package + "." + service.name), literal(method.name),
                    symbol(method.input_type), symbol(method.output_type),
                    literal(comments.at(6, i, 2, j) or "")))
    out.append("};")
    out.append("const size_t schema_methods_count = %d;" % count)


def main():
    files = FileDescriptorSet()
    with open(sys.argv[1], "rb") as descriptors:
        files.ParseFromString(descriptors.read())
    out = ['#include "agent/client/schema.h"', ""]
    write_enums(out, files.file)
    write_messages(out, files.file)
    write_methods(out, files.file)
    with open(sys.argv[2], "w", encoding="utf-8") as file:
        file.write("\n".join(out) + "\n")


main()
